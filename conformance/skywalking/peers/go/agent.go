package main

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/apache/skywalking-go/plugins/core"
	"github.com/apache/skywalking-go/plugins/core/reporter/grpc"
)

// startAgent starts what skywalking-go compiles into a program: its tracer and its reporter. What the agent keeps in each goroutine's
// own record, which it adds to Go's runtime, is in a map here.
func startAgent() {
	var ofGoroutine sync.Map
	core.GetGoID = goroutineID
	core.GetGLS = func() any {
		context, _ := ofGoroutine.Load(goroutineID())
		return context
	}
	core.SetGLS = func(context any) {
		if context == nil {
			ofGoroutine.Delete(goroutineID())
		} else {
			ofGoroutine.Store(goroutineID(), context)
		}
	}
	core.ResetTracingContext()
	log := quiet{}
	core.Tracing.Log = &core.LogWrapper{Logger: log}
	backend := os.Getenv("SW_AGENT_COLLECTOR_BACKEND_SERVICES")
	reporter, err := grpc.NewGRPCReporter(log, backend, grpc.WithCheckInterval(20*time.Second), grpc.WithMaxSendQueueSize(5000))
	check(err)
	// The numbers are those of the agent's default configuration.
	check(core.Tracing.Init(core.NewEntity(me, "SW_AGENT_INSTANCE_NAME"), reporter, core.NewConstSampler(true), log,
		20, &core.CorrelationConfig{MaxKeyCount: 3, MaxValueSize: 128}, ".jpg,.js", ""))
}

func goroutineID() int64 {
	text := make([]byte, 40)
	text = text[:runtime.Stack(text, false)]
	id, err := strconv.ParseInt(string(bytes.Fields(text)[1]), 10, 64)
	check(err)
	return id
}

// quiet is a logger for an agent whose collector goes away first.
type quiet struct{}

func (q quiet) WithField(string, any) any { return q }
func (quiet) Info(...any)                 {}
func (quiet) Infof(string, ...any)        {}
func (quiet) Warn(...any)                 {}
func (quiet) Warnf(string, ...any)        {}
func (quiet) Error(...any)                {}
func (quiet) Errorf(string, ...any)       {}
