package main

import (
	"context"
	"net"
	nethttp "net/http"
	"strings"

	"github.com/apache/skywalking-go/plugins/core/tracing"
	"github.com/go-kratos/kratos/v2/log"
	"github.com/go-kratos/kratos/v2/middleware"
	"github.com/go-kratos/kratos/v2/transport"
	"github.com/go-kratos/kratos/v2/transport/grpc"
	"github.com/go-kratos/kratos/v2/transport/http"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func serveKratos(httpListener, grpcListener net.Listener) {
	calls["http"], calls["grpc"] = callKratosHTTP, callKratosGRPC
	log.SetLogger(log.NewFilter(log.GetLogger(), log.FilterLevel(log.LevelError)))
	httpServer := http.NewServer(http.Listener(httpListener), http.Middleware(traceServer))
	httpServer.Route("/").GET("/relay", func(c http.Context) error {
		http.SetOperation(c, method)
		handle := c.Middleware(func(ctx context.Context, _ any) (any, error) {
			hops, err := pass(ctx, c.Query().Get("route"))
			return map[string]string{"hops": hops}, err
		})
		reply, err := handle(c, nil)
		if err != nil {
			return err
		}
		return c.Result(200, reply)
	})
	go httpServer.Start(context.Background())
	grpcServer := grpc.NewServer(grpc.Listener(grpcListener), grpc.Middleware(traceServer))
	grpcServer.RegisterService(&relayService, nil)
	go grpcServer.Start(context.Background())
}

func callKratosHTTP(ctx context.Context, address, route string) (string, error) {
	client, err := http.NewClient(ctx, http.WithEndpoint(address), http.WithMiddleware(traceClient(address)))
	check(err)
	defer client.Close()
	var reply struct{ Hops string }
	path := strings.TrimPrefix(relayURL(address, route), "http://"+address)
	err = client.Invoke(ctx, nethttp.MethodGet, path, nil, &reply, http.Operation(method))
	return reply.Hops, err
}

func callKratosGRPC(ctx context.Context, address, route string) (string, error) {
	connection, err := grpc.DialInsecure(ctx, grpc.WithEndpoint(address), grpc.WithMiddleware(traceClient(address)))
	check(err)
	defer connection.Close()
	reply := &wrapperspb.StringValue{}
	err = connection.Invoke(ctx, method, wrapperspb.String(route), reply)
	return reply.Value, err
}

// traceServer and traceClient are the middleware that the agent's plugin for Kratos puts into every server and client.
func traceServer(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, request any) (any, error) {
		defer tracing.CleanContext()
		received, _ := transport.FromServerContext(ctx)
		span, err := tracing.CreateEntrySpan(received.Operation(), func(key string) (string, error) {
			return received.RequestHeader().Get(key), nil
		}, optionsKratos(received)...)
		check(err)
		defer span.End()
		reply, err := next(ctx, request)
		if err != nil {
			span.Error(err.Error())
		}
		return reply, err
	}
}

func traceClient(peer string) middleware.Middleware {
	return func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, request any) (any, error) {
			sent, _ := transport.FromClientContext(ctx)
			span, err := tracing.CreateExitSpan(sent.Operation(), peer, func(key, value string) error {
				sent.RequestHeader().Set(key, value)
				return nil
			}, optionsKratos(sent)...)
			check(err)
			defer span.End()
			reply, err := next(ctx, request)
			if err != nil {
				span.Error(err.Error())
			}
			return reply, err
		}
	}
}

func optionsKratos(call transport.Transporter) []tracing.SpanOption {
	return []tracing.SpanOption{
		tracing.WithLayer(tracing.SpanLayerRPCFramework), tracing.WithComponent(5010),
		tracing.WithTag("transport", strings.ToUpper(call.Kind().String())),
	}
}
