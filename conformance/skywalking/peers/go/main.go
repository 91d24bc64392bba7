// A service that passes calls on over HTTP and gRPC; see ../../../traces/proto/relay/v1/relay.proto. PEER says on what it stands:
// "go", net/http and grpc-go; "kratos", Kratos with its middleware.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/apache/skywalking-go/plugins/core/tracing"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const method = "/relay.v1.Relay/Pass"

var me = os.Getenv("SW_AGENT_NAME")

// calls has, for each protocol, what asks another peer to pass on what is left of the route.
var calls = map[string]func(ctx context.Context, address, route string) (hops string, err error){
	"http": callHTTP,
	"grpc": callGRPC,
}

func main() {
	startAgent()
	httpListener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	grpcListener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	if os.Getenv("PEER") == "kratos" {
		serveKratos(httpListener, grpcListener)
	} else {
		go http.Serve(httpListener, http.HandlerFunc(handleHTTP))
		server := grpc.NewServer(grpc.UnaryInterceptor(traceGRPC))
		server.RegisterService(&relayService, nil)
		go server.Serve(grpcListener)
	}
	fmt.Printf("{\"http\":%q,\"grpc\":%q}\n", httpListener.Addr(), grpcListener.Addr())
	// Whoever started it ends it by closing its input.
	os.Stdin.Read(make([]byte, 1))
}

// pass runs inside of the entry span.
func pass(ctx context.Context, route string) (string, error) {
	if rest, found := strings.CutPrefix(route, "set,"); found {
		route = rest
		tracing.SetCorrelationContextValue("user", "grün,a=b;c-d%41")
	}
	seen := me + ":" + tracing.GetCorrelationContextValue("user")
	if route == "" {
		return seen, nil
	}
	if route == "fail" {
		return "", errors.New("told to fail")
	}
	next, rest, _ := strings.Cut(route, ",")
	protocol, address, _ := strings.Cut(next, "=")
	hops, err := calls[protocol](ctx, address, rest)
	return hops + " " + seen, err
}

func handleHTTP(w http.ResponseWriter, r *http.Request) {
	defer tracing.CleanContext()
	span, err := tracing.CreateEntrySpan(r.Method+":"+r.URL.Path, func(key string) (string, error) {
		return r.Header.Get(key), nil
	}, tracing.WithLayer(tracing.SpanLayerHTTP), tracing.WithComponent(5004),
		tracing.WithTag(tracing.TagHTTPMethod, r.Method), tracing.WithTag(tracing.TagURL, r.Host+r.URL.Path))
	check(err)
	hops, err := pass(r.Context(), r.URL.Query().Get("route"))
	code := 200
	if err != nil {
		code = 500
		span.ErrorOccured()
	}
	span.Tag(tracing.TagStatusCode, fmt.Sprint(code))
	span.End()
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(map[string]string{"hops": hops})
}

func callHTTP(ctx context.Context, address, route string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, "GET", relayURL(address, route), nil)
	check(err)
	span, err := tracing.CreateExitSpan("GET:/relay", request.Host, func(key, value string) error {
		request.Header.Add(key, value)
		return nil
	}, tracing.WithLayer(tracing.SpanLayerHTTP), tracing.WithComponent(5005),
		tracing.WithTag(tracing.TagHTTPMethod, "GET"), tracing.WithTag(tracing.TagURL, request.Host+"/relay"))
	check(err)
	defer span.End()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		span.Error(err.Error())
		return "", err
	}
	defer response.Body.Close()
	span.Tag(tracing.TagStatusCode, fmt.Sprint(response.StatusCode))
	if response.StatusCode >= 400 {
		span.ErrorOccured()
		return "", errors.New(response.Status)
	}
	var reply struct{ Hops string }
	err = json.NewDecoder(response.Body).Decode(&reply)
	return reply.Hops, err
}

var relayService = grpc.ServiceDesc{
	ServiceName: "relay.v1.Relay",
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Pass", Handler: handleGRPC}},
}

func handleGRPC(_ any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
	request := &wrapperspb.StringValue{}
	if err := decode(request); err != nil {
		return nil, err
	}
	return intercept(ctx, request, &grpc.UnaryServerInfo{FullMethod: method}, func(ctx context.Context, _ any) (any, error) {
		hops, err := pass(ctx, request.Value)
		if err != nil {
			return nil, status.Error(codes.Internal, err.Error())
		}
		return wrapperspb.String(hops), nil
	})
}

func traceGRPC(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	defer tracing.CleanContext()
	received, _ := metadata.FromIncomingContext(ctx)
	span, err := tracing.CreateEntrySpan(operationOf(info.FullMethod), func(key string) (string, error) {
		return strings.Join(received.Get(key), ""), nil
	}, optionsGRPC(info.FullMethod)...)
	check(err)
	defer span.End()
	reply, err := handle(ctx, request)
	if err != nil {
		span.Error(err.Error())
	}
	return reply, err
}

func callGRPC(ctx context.Context, address, route string) (string, error) {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	defer connection.Close()
	span, err := tracing.CreateExitSpan(operationOf(method), connection.Target(), func(key, value string) error {
		ctx = metadata.AppendToOutgoingContext(ctx, key, value)
		return nil
	}, optionsGRPC(method)...)
	check(err)
	defer span.End()
	reply := &wrapperspb.StringValue{}
	if err = connection.Invoke(ctx, method, wrapperspb.String(route), reply); err != nil {
		span.Error(err.Error())
	}
	return reply.Value, err
}

func optionsGRPC(method string) []tracing.SpanOption {
	return []tracing.SpanOption{
		tracing.WithLayer(tracing.SpanLayerRPCFramework), tracing.WithComponent(23),
		tracing.WithTag(tracing.TagURL, method), tracing.WithTag("rpc.type", "Unary"),
	}
}

// operationOf is how the agent's plugin for gRPC names a method: "relay.v1.Relay.Pass".
func operationOf(method string) string {
	return strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", ".")
}

func relayURL(address, route string) string {
	return "http://" + address + "/relay?route=" + url.QueryEscape(route)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
