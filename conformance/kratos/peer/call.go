package main

import (
	"context"
	"encoding/json"
	stderrors "errors"
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"time"

	kratos "github.com/go-kratos/kratos/v2"
	"github.com/go-kratos/kratos/v2/errors"
	"github.com/go-kratos/kratos/v2/metadata"
	"github.com/go-kratos/kratos/v2/middleware"
	"github.com/go-kratos/kratos/v2/middleware/auth/jwt"
	"github.com/go-kratos/kratos/v2/middleware/circuitbreaker"
	metadatamiddleware "github.com/go-kratos/kratos/v2/middleware/metadata"
	"github.com/go-kratos/kratos/v2/middleware/tracing"
	"github.com/go-kratos/kratos/v2/transport/grpc"
	"github.com/go-kratos/kratos/v2/transport/http"
	jwtv5 "github.com/golang-jwt/jwt/v5"
	"go.opentelemetry.io/otel/baggage"
	gogrpc "google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// command is what the runner says; the other peer understands the same.
type command struct {
	ID int `json:"id"`
	// Asks for the spans of this trace instead of a call.
	Trace     string              `json:"trace"`
	Endpoint  string              `json:"endpoint"`
	Service   string              `json:"service"`
	Method    string              `json:"method"`
	Requests  []json.RawMessage   `json:"requests"`
	Metadata  map[string][]string `json:"metadata"`
	TimeoutMs int                 `json:"timeoutMs"`
	// After so long the caller gives up.
	CancelAfterMs int `json:"cancelAfterMs"`
	// json, proto or x-www-form-urlencoded.
	Codec   string `json:"codec"`
	Subject string `json:"subject"`
	// What a token is signed with.
	Secret  string `json:"secret"`
	Baggage string `json:"baggage"`
	// Calls up to so many times behind a circuit breaker, until that refuses.
	Breaker int `json:"breaker"`
}

type answer struct {
	ID      int               `json:"id"`
	Replies []json.RawMessage `json:"replies"`
	Error   *failure          `json:"error,omitempty"`
	Spans   []spanRecord      `json:"spans,omitempty"`
}

type failure struct {
	Code     int32             `json:"code"`
	Reason   string            `json:"reason"`
	Message  string            `json:"message"`
	Metadata map[string]string `json:"metadata"`
}

func (c *command) run(app *kratos.App) (made *answer) {
	made = &answer{ID: c.ID, Replies: []json.RawMessage{}}
	// Kratos's client panics over some requests, and spoils others.
	defer func() {
		if panicked := recover(); panicked != nil {
			made.Error = &failure{Reason: "PANIC", Message: fmt.Sprint(panicked)}
		}
	}()
	if c.Trace != "" {
		made.Spans = spansOf(c.Trace)
		return made
	}
	ctx := kratos.NewContext(context.Background(), app)
	if c.TimeoutMs > 0 {
		limited, cancel := context.WithTimeout(ctx, time.Duration(c.TimeoutMs)*time.Millisecond)
		defer cancel()
		ctx = limited
	}
	if c.CancelAfterMs > 0 {
		cancellable, cancel := context.WithCancel(ctx)
		time.AfterFunc(time.Duration(c.CancelAfterMs)*time.Millisecond, cancel)
		ctx = cancellable
	}
	if c.Metadata != nil {
		ctx = metadata.NewClientContext(ctx, metadata.New(c.Metadata))
	}
	if c.Baggage != "" {
		member, err := baggage.NewMember("tenant", c.Baggage)
		exitOn(err)
		bag, err := baggage.New(member)
		exitOn(err)
		ctx = baggage.ContextWithBaggage(ctx, bag)
	}
	var middlewares []middleware.Middleware
	if c.Secret != "" {
		key := func(*jwtv5.Token) (any, error) { return []byte(c.Secret), nil }
		claims := func() jwtv5.Claims { return jwtv5.MapClaims{"sub": c.Subject} }
		middlewares = append(middlewares, jwt.Client(key, jwt.WithClaims(claims)))
	}
	if c.Breaker > 0 {
		middlewares = append(middlewares, circuitbreaker.Client())
	}
	caller, err := newCaller(ctx, c.Endpoint, middlewares)
	exitOn(err)
	defer caller.close()
	caller.codec = c.Codec
	method := serviceOf(c.Service).Methods().ByName(protoreflect.Name(c.Method))
	if method.IsStreamingClient() || method.IsStreamingServer() {
		err = c.stream(ctx, caller, method, made)
	} else {
		for tries := 0; ; tries++ {
			reply := newMessage(method.Output())
			err = caller.invoke(ctx, method, c.request(method, 0), reply)
			if err == nil {
				made.add(reply)
			}
			if tries >= c.Breaker || errors.Reason(err) == "CIRCUITBREAKER" {
				break
			}
		}
	}
	made.Error = toFailure(err)
	return made
}

func (c *command) request(method protoreflect.MethodDescriptor, index int) proto.Message {
	request := newMessage(method.Input())
	if index < len(c.Requests) {
		exitOn(protojson.Unmarshal(c.Requests[index], request))
	}
	return request
}

func (c *command) stream(ctx context.Context, caller *caller, method protoreflect.MethodDescriptor, into *answer) error {
	desc := &gogrpc.StreamDesc{ClientStreams: method.IsStreamingClient(), ServerStreams: method.IsStreamingServer()}
	stream, err := caller.grpc.NewStream(ctx, desc, operationOf(method))
	if err != nil {
		return err
	}
	for i := range c.Requests {
		if err := stream.SendMsg(c.request(method, i)); err != nil {
			break // What ended the stream comes with the next message received.
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		reply := newMessage(method.Output())
		err := stream.RecvMsg(reply)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		into.add(reply)
		if !desc.ServerStreams {
			return nil
		}
	}
}

func (a *answer) add(reply proto.Message) {
	text, err := protojson.Marshal(reply)
	if err != nil {
		panic(err)
	}
	a.Replies = append(a.Replies, text)
}

func toFailure(err error) *failure {
	if err == nil {
		return nil
	}
	// Kratos leaves these as they are; a generated client's caller sees them so.
	if stderrors.Is(err, context.DeadlineExceeded) {
		return &failure{Code: nethttp.StatusGatewayTimeout, Message: err.Error()}
	}
	if stderrors.Is(err, context.Canceled) {
		return &failure{Code: 499, Message: err.Error()}
	}
	told := errors.FromError(err)
	return &failure{Code: told.Code, Reason: told.Reason, Message: told.Message, Metadata: told.Metadata}
}

// caller calls one endpoint over the protocol its scheme names.
type caller struct {
	http  *http.Client
	grpc  *gogrpc.ClientConn
	codec string
}

func newCaller(ctx context.Context, endpoint string, more []middleware.Middleware) (*caller, error) {
	middlewares := append([]middleware.Middleware{tracing.Client(), metadatamiddleware.Client()}, more...)
	if target, ok := strings.CutPrefix(endpoint, "grpc://"); ok {
		conn, err := grpc.DialInsecure(ctx, grpc.WithEndpoint(target), grpc.WithMiddleware(middlewares...), grpc.WithTimeout(0))
		return &caller{grpc: conn}, err
	}
	client, err := http.NewClient(ctx, http.WithEndpoint(endpoint), http.WithMiddleware(middlewares...), http.WithTimeout(0))
	return &caller{http: client}, err
}

func (c *caller) invoke(ctx context.Context, method protoreflect.MethodDescriptor, request, reply proto.Message) error {
	if c.grpc != nil {
		var options []gogrpc.CallOption
		if c.codec != "" {
			options = append(options, gogrpc.CallContentSubtype(c.codec))
		}
		return c.grpc.Invoke(ctx, operationOf(method), request, reply, options...)
	}
	var options []http.CallOption
	if c.codec != "" {
		contentType := "application/" + c.codec
		options = append(options, http.ContentType(contentType))
		if c.codec != "x-www-form-urlencoded" {
			options = append(options, http.Header(&nethttp.Header{"Accept": {contentType}}))
		}
	}
	return invokeHTTP(ctx, c.http, method, request, reply, options...)
}

func (c *caller) close() {
	if c.grpc != nil {
		_ = c.grpc.Close()
	} else {
		_ = c.http.Close()
	}
}

func operationOf(method protoreflect.MethodDescriptor) string {
	return "/" + string(method.Parent().FullName()) + "/" + string(method.Name())
}
