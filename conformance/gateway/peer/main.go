// grpc-gateway in front of a gRPC server whose methods answer with what they were asked. Prints where it listens, ends with its input.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/grpclog"

	v1 "gateway-peer/gen/gateway/v1"
)

type server struct{ v1.UnimplementedGatewayServer }

// answerAll answers every method in the place of its implementation.
func answerAll(_ context.Context, request any, info *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
	return &v1.Reply{Method: info.FullMethod, Request: request.(*v1.Request)}, nil
}

func main() {
	log.SetOutput(io.Discard)
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	exitOn(err)
	grpcServer := grpc.NewServer(grpc.UnaryInterceptor(answerAll))
	v1.RegisterGatewayServer(grpcServer, &server{})
	go func() { exitOn(grpcServer.Serve(listener)) }()

	// The mode that is nearest to the documentation of google.api.http: a variable is one segment, whatever is escaped in it.
	mux := runtime.NewServeMux(runtime.WithUnescapingMode(runtime.UnescapingModeAllExceptSlash))
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	exitOn(v1.RegisterGatewayHandlerFromEndpoint(context.Background(), mux, listener.Addr().String(), options))
	httpListener, err := net.Listen("tcp", "127.0.0.1:0")
	exitOn(err)
	go func() { exitOn(http.Serve(httpListener, withRawPath(mux))) }()
	fmt.Printf("listening on %s\n", httpListener.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// withRawPath gives every request the escaped form of its path, which net/http leaves out where there is only one: without it
// the gateway unescapes some paths twice.
func withRawPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.RawPath = r.URL.EscapedPath()
		next.ServeHTTP(w, r)
	})
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
