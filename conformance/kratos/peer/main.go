// Go Kratos as a peer: two servers, and a driver that makes the calls it is told to, one JSON object a line.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	kratos "github.com/go-kratos/kratos/v2"
	"github.com/go-kratos/kratos/v2/log"
	"github.com/go-kratos/kratos/v2/middleware"
	"github.com/go-kratos/kratos/v2/middleware/auth/jwt"
	"github.com/go-kratos/kratos/v2/middleware/metadata"
	"github.com/go-kratos/kratos/v2/middleware/ratelimit"
	"github.com/go-kratos/kratos/v2/middleware/recovery"
	"github.com/go-kratos/kratos/v2/middleware/selector"
	"github.com/go-kratos/kratos/v2/middleware/tracing"
	"github.com/go-kratos/kratos/v2/middleware/validate"
	"github.com/go-kratos/kratos/v2/transport/grpc"
	"github.com/go-kratos/kratos/v2/transport/http"
	jwtv5 "github.com/golang-jwt/jwt/v5"
	"go.opentelemetry.io/otel"

	interopv1 "kratos-peer/gen/interop/v1"
)

const name = "kratos"

func main() {
	log.SetLogger(log.NewStdLogger(io.Discard))
	otel.SetTracerProvider(newTracerProvider())

	middlewares := []middleware.Middleware{
		recovery.Recovery(),
		tracing.Server(),
		metadata.Server(),
		validate.Validator(),
		selector.Server(jwt.Server(secretOf, jwt.WithClaims(newClaims))).Path(interopv1.Behaviour_Guarded_FullMethodName).Build(),
		selector.Server(ratelimit.Server(ratelimit.WithLimiter(closedLimiter{}))).Path(interopv1.Behaviour_Limited_FullMethodName).Build(),
	}
	// Deadlines are the callers' here: the servers have none of their own.
	httpServer := http.NewServer(http.Address("127.0.0.1:0"), http.Timeout(0), http.Middleware(middlewares...))
	grpcServer := grpc.NewServer(grpc.Address("127.0.0.1:0"), grpc.Timeout(0), grpc.Middleware(middlewares...))
	registerHTTP(httpServer, &interopv1.Rules_ServiceDesc, &rules{})
	registerHTTP(httpServer, &interopv1.Behaviour_ServiceDesc, behaviour)
	interopv1.RegisterRulesServer(grpcServer, &rules{})
	interopv1.RegisterBehaviourServer(grpcServer, behaviour)
	interopv1.RegisterStreamsServer(grpcServer, &streams{})

	httpEndpoint, err := httpServer.Endpoint()
	exitOn(err)
	grpcEndpoint, err := grpcServer.Endpoint()
	exitOn(err)
	app := kratos.New(kratos.Name(name), kratos.Server(httpServer, grpcServer), kratos.StopTimeout(time.Second))
	go func() { exitOn(app.Run()) }()
	drive(app, httpEndpoint.String(), grpcEndpoint.String())
}

// drive answers commands until stdin ends. Calls run side by side.
func drive(app *kratos.App, endpoints ...string) {
	out := json.NewEncoder(os.Stdout)
	var lock sync.Mutex
	answer := func(value any) {
		lock.Lock()
		defer lock.Unlock()
		exitOn(out.Encode(value))
	}
	answer(map[string]any{"endpoints": endpoints})
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var command command
		exitOn(json.Unmarshal(lines.Bytes(), &command))
		go func() { answer(command.run(app)) }()
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const secret = "interop"

func secretOf(*jwtv5.Token) (any, error) { return []byte(secret), nil }

func newClaims() jwtv5.Claims { return jwtv5.MapClaims{} }
