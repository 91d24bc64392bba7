// The Go peer: the same service on grpc-go, as its users write it.
package main

import (
	"context"
	"fmt"
	"net"

	"bench/benchv1"

	"google.golang.org/grpc"
)

type greeter struct {
	benchv1.UnimplementedGreeterServer
}

func (greeter) SayHello(_ context.Context, request *benchv1.HelloRequest) (*benchv1.HelloReply, error) {
	return &benchv1.HelloReply{Message: "Hello " + request.GetName()}, nil
}

func (greeter) Echo(_ context.Context, request *benchv1.Payload) (*benchv1.Payload, error) {
	return &benchv1.Payload{Data: request.GetData()}, nil
}

func (greeter) Repeat(request *benchv1.RepeatRequest, stream grpc.ServerStreamingServer[benchv1.Payload]) error {
	for i := int32(0); i < request.GetCount(); i++ {
		if err := stream.Send(&benchv1.Payload{Data: request.GetData()}); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	server := grpc.NewServer()
	benchv1.RegisterGreeterServer(server, greeter{})
	fmt.Printf("listening %d\n", listener.Addr().(*net.TCPAddr).Port)
	if err := server.Serve(listener); err != nil {
		panic(err)
	}
}
