// A service with OpenTelemetry's Go SDK that passes calls on over HTTP and gRPC; see ../../proto/relay/v1/relay.proto.
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

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const name = "relay.v1.Relay/Pass"
const method = "/relay.v1.Relay/Pass"

var tracer trace.Tracer

func main() {
	ctx := context.Background()
	var exporter sdk.SpanExporter
	var err error
	if os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL") == "grpc" {
		exporter, err = otlptracegrpc.New(ctx)
	} else {
		exporter, err = otlptracehttp.New(ctx)
	}
	check(err)
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter))
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	tracer = provider.Tracer("peer")

	httpListener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	grpcListener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	http.HandleFunc("/relay", func(w http.ResponseWriter, r *http.Request) {
		ctx := otel.GetTextMapPropagator().Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		hops, err := serve(ctx, r.URL.Query().Get("route"))
		if err != nil {
			http.Error(w, err.Error(), 500)
			return
		}
		json.NewEncoder(w).Encode(map[string]string{"hops": hops})
	})
	go http.Serve(httpListener, nil)
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "relay.v1.Relay",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Pass", Handler: handle}},
	}, nil)
	go server.Serve(grpcListener)
	fmt.Printf("{\"http\":%q,\"grpc\":%q}\n", httpListener.Addr(), grpcListener.Addr())
	// Whoever started it ends it by closing its input.
	os.Stdin.Read(make([]byte, 1))
	provider.Shutdown(ctx)
}

func handle(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	request := &wrapperspb.StringValue{}
	if err := decode(request); err != nil {
		return nil, err
	}
	md, _ := metadata.FromIncomingContext(ctx)
	ctx = otel.GetTextMapPropagator().Extract(ctx, carrier(md))
	hops, err := serve(ctx, request.Value)
	if err != nil {
		return nil, status.Error(grpccodes.Internal, err.Error())
	}
	return wrapperspb.String(hops), nil
}

func serve(ctx context.Context, route string) (string, error) {
	if rest, found := strings.CutPrefix(route, "set,"); found {
		route = rest
		member, _ := baggage.NewMember("user", "blue")
		bag, _ := baggage.New(member)
		ctx = baggage.ContextWithBaggage(ctx, bag)
	}
	ctx, span := tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer))
	defer span.End()
	me := os.Getenv("OTEL_SERVICE_NAME") + ":" + baggage.FromContext(ctx).Member("user").Value()
	if route == "" {
		return me, nil
	}
	if route == "fail" {
		err := errors.New("told to fail")
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
		return "", err
	}
	hops, err := call(ctx, route)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		return "", err
	}
	return hops + " " + me, nil
}

func call(ctx context.Context, route string) (hops string, err error) {
	next, rest, _ := strings.Cut(route, ",")
	protocol, address, _ := strings.Cut(next, "=")
	ctx, span := tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient))
	defer func() {
		if err != nil {
			span.RecordError(err)
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}()
	if protocol == "grpc" {
		connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return "", err
		}
		defer connection.Close()
		md := metadata.MD{}
		otel.GetTextMapPropagator().Inject(ctx, carrier(md))
		reply := &wrapperspb.StringValue{}
		err = connection.Invoke(metadata.NewOutgoingContext(ctx, md), method, wrapperspb.String(rest), reply)
		return reply.Value, err
	}
	request, err := http.NewRequestWithContext(ctx, "GET", "http://"+address+"/relay?route="+url.QueryEscape(rest), nil)
	if err != nil {
		return "", err
	}
	otel.GetTextMapPropagator().Inject(ctx, propagation.HeaderCarrier(request.Header))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != 200 {
		return "", errors.New(response.Status)
	}
	var reply struct{ Hops string }
	err = json.NewDecoder(response.Body).Decode(&reply)
	return reply.Hops, err
}

// carrier brings headers into gRPC's metadata and out of it.
type carrier metadata.MD

func (c carrier) Get(key string) string {
	if values := metadata.MD(c).Get(key); len(values) > 0 {
		return values[0]
	}
	return ""
}
func (c carrier) Set(key, value string) { metadata.MD(c).Set(key, value) }
func (c carrier) Keys() []string {
	keys := []string{}
	for key := range c {
		keys = append(keys, key)
	}
	return keys
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
