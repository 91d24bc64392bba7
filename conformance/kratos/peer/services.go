package main

import (
	"context"
	"io"
	"sort"
	"strings"
	"sync"
	"time"

	aegis "github.com/go-kratos/aegis/ratelimit"
	"github.com/go-kratos/kratos/v2/errors"
	"github.com/go-kratos/kratos/v2/middleware/auth/jwt"
	"github.com/go-kratos/kratos/v2/transport"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	v1 "kratos-peer/gen/interop/v1"
)

type rules struct{ v1.UnimplementedRulesServer }

func echo[M any](_ context.Context, message *M) (*M, error) { return message, nil }

func (*rules) Get(ctx context.Context, r *v1.Request) (*v1.Request, error)    { return echo(ctx, r) }
func (*rules) Create(ctx context.Context, r *v1.Request) (*v1.Request, error) { return echo(ctx, r) }
func (*rules) Update(ctx context.Context, r *v1.Request) (*v1.Request, error) { return echo(ctx, r) }
func (*rules) Delete(ctx context.Context, r *v1.Request) (*v1.Request, error) { return echo(ctx, r) }
func (*rules) Patch(ctx context.Context, r *v1.Request) (*v1.Request, error)  { return echo(ctx, r) }
func (*rules) Nested(ctx context.Context, r *v1.Request) (*v1.Request, error) { return echo(ctx, r) }
func (*rules) ReplyField(ctx context.Context, r *v1.Request) (*v1.Request, error) {
	return echo(ctx, r)
}
func (*rules) ReplyList(ctx context.Context, r *v1.Request) (*v1.Request, error) { return echo(ctx, r) }
func (*rules) Cancel(ctx context.Context, r *v1.Request) (*v1.Request, error)    { return echo(ctx, r) }
func (*rules) SnakeVariable(ctx context.Context, r *v1.Request) (*v1.Request, error) {
	return echo(ctx, r)
}
func (*rules) Pattern(ctx context.Context, r *v1.Request) (*v1.Request, error) { return echo(ctx, r) }
func (*rules) EchoBody(ctx context.Context, r *v1.Types) (*v1.Types, error)    { return echo(ctx, r) }
func (*rules) EchoQuery(ctx context.Context, r *v1.Types) (*v1.Types, error)   { return echo(ctx, r) }

type behaviourServer struct {
	v1.UnimplementedBehaviourServer
	lock  sync.Mutex
	waits map[string]*v1.WaitedReply
}

var behaviour = &behaviourServer{waits: map[string]*v1.WaitedReply{}}

func (*behaviourServer) Fail(_ context.Context, r *v1.FailRequest) (*emptypb.Empty, error) {
	return nil, errors.New(int(r.Code), r.Reason, r.Message).WithMetadata(r.Metadata)
}

func (*behaviourServer) Validated(context.Context, *v1.ValidatedRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (*behaviourServer) Guarded(ctx context.Context, _ *emptypb.Empty) (*v1.GuardedReply, error) {
	claims, _ := jwt.FromContext(ctx)
	subject, err := claims.GetSubject()
	return &v1.GuardedReply{Subject: subject}, err
}

func (*behaviourServer) Limited(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (*behaviourServer) Panic(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	panic("a secret of the server")
}

func (*behaviourServer) Chain(ctx context.Context, r *v1.ChainRequest) (*v1.ChainReply, error) {
	reply := &v1.ChainReply{Hops: []*v1.Hop{observe(ctx)}}
	if len(r.Endpoints) == 0 {
		return reply, nil
	}
	caller, err := newCaller(ctx, r.Endpoints[0], nil)
	if err != nil {
		return nil, err
	}
	defer caller.close()
	rest := &v1.ChainReply{}
	method := serviceOf("interop.v1.Behaviour").Methods().ByName("Chain")
	if err := caller.invoke(ctx, method, &v1.ChainRequest{Endpoints: r.Endpoints[1:]}, rest); err != nil {
		return nil, err
	}
	reply.Hops = append(reply.Hops, rest.Hops...)
	return reply, nil
}

func observe(ctx context.Context) *v1.Hop {
	server, _ := transport.FromServerContext(ctx)
	hop := &v1.Hop{Server: name, Operation: server.Operation(), RemainingMs: remaining(ctx)}
	for _, key := range server.RequestHeader().Keys() {
		if lower := strings.ToLower(key); strings.HasPrefix(lower, "x-md-") {
			hop.Headers = append(hop.Headers, &v1.Header{Name: lower, Values: server.RequestHeader().Values(key)})
		}
	}
	sort.Slice(hop.Headers, func(i, j int) bool { return hop.Headers[i].Name < hop.Headers[j].Name })
	span := trace.SpanContextFromContext(ctx)
	hop.TraceId = span.TraceID().String()
	hop.SpanId = span.SpanID().String()
	hop.Baggage = baggage.FromContext(ctx).Member("tenant").Value()
	return hop
}

func remaining(ctx context.Context) int64 {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return time.Until(deadline).Milliseconds()
}

func (b *behaviourServer) Wait(ctx context.Context, r *v1.WaitRequest) (*emptypb.Empty, error) {
	left := remaining(ctx)
	set := func(state string) {
		b.lock.Lock()
		defer b.lock.Unlock()
		b.waits[r.Key] = &v1.WaitedReply{State: state, RemainingMs: left}
	}
	set("running")
	select {
	case <-ctx.Done():
		set("cancelled")
		return nil, ctx.Err()
	case <-time.After(time.Duration(r.Milliseconds) * time.Millisecond):
		set("done")
		return &emptypb.Empty{}, nil
	}
}

func (b *behaviourServer) Waited(_ context.Context, r *v1.WaitRequest) (*v1.WaitedReply, error) {
	b.lock.Lock()
	defer b.lock.Unlock()
	if reply := b.waits[r.Key]; reply != nil {
		return proto.Clone(reply).(*v1.WaitedReply), nil
	}
	return &v1.WaitedReply{}, nil
}

// closedLimiter lets nothing through.
type closedLimiter struct{}

func (closedLimiter) Allow() (aegis.DoneFunc, error) { return nil, aegis.ErrLimitExceed }

type streams struct{ v1.UnimplementedStreamsServer }

func (*streams) Down(r *v1.StreamRequest, stream v1.Streams_DownServer) error {
	for i := int32(0); i < r.Count; i++ {
		if err := stream.Send(&v1.StreamReply{Count: i + 1, Number: r.Number}); err != nil {
			return err
		}
	}
	return failWith(r.FailCode)
}

func (*streams) Up(stream v1.Streams_UpServer) error {
	reply := &v1.StreamReply{}
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			return stream.SendAndClose(reply)
		}
		if err != nil {
			return err
		}
		if err := failWith(request.FailCode); err != nil {
			return err
		}
		reply.Count++
		reply.Number += request.Number
	}
}

func (*streams) Both(stream v1.Streams_BothServer) error {
	for count := int32(1); ; count++ {
		request, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := failWith(request.FailCode); err != nil {
			return err
		}
		if err := stream.Send(&v1.StreamReply{Count: count, Number: request.Number}); err != nil {
			return err
		}
	}
}

func failWith(code int32) error {
	if code == 0 {
		return nil
	}
	return errors.New(int(code), "STREAM_FAILED", "as it was told").WithMetadata(map[string]string{"code": "as asked"})
}
