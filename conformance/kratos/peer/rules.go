package main

import (
	"context"
	nethttp "net/http"
	"reflect"
	"strings"

	"github.com/go-kratos/kratos/v2/transport/http"
	"github.com/go-kratos/kratos/v2/transport/http/binding"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// What protoc-gen-go-http generates for each method, done at run time over the same calls of Kratos: the bindings, the order in
// which body, query and variables are bound, and how a client makes its path.

type httpRule struct {
	verb, path, body, replyBody string
}

// bindingsOf has the additional bindings first: Kratos registers them so, and its router takes the first that matches.
func bindingsOf(method protoreflect.MethodDescriptor) []httpRule {
	rule, _ := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
	if rule == nil {
		return nil
	}
	var bindings []httpRule
	for _, one := range append(append([]*annotations.HttpRule{}, rule.GetAdditionalBindings()...), rule) {
		bindings = append(bindings, toBinding(one))
	}
	return bindings
}

func toBinding(rule *annotations.HttpRule) httpRule {
	made := httpRule{body: rule.GetBody(), replyBody: rule.GetResponseBody()}
	switch pattern := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		made.verb, made.path = nethttp.MethodGet, pattern.Get
	case *annotations.HttpRule_Post:
		made.verb, made.path = nethttp.MethodPost, pattern.Post
	case *annotations.HttpRule_Put:
		made.verb, made.path = nethttp.MethodPut, pattern.Put
	case *annotations.HttpRule_Delete:
		made.verb, made.path = nethttp.MethodDelete, pattern.Delete
	case *annotations.HttpRule_Patch:
		made.verb, made.path = nethttp.MethodPatch, pattern.Patch
	}
	// {name=shelves/*} is a variable with a regular expression to the router, in which a star is anything.
	if equals := strings.Index(made.path, "="); equals >= 0 {
		made.path = made.path[:equals] + ":" + strings.ReplaceAll(made.path[equals+1:], "*", ".*")
	}
	return made
}

func registerHTTP(server *http.Server, desc *grpc.ServiceDesc, implementation any) {
	service := serviceOf(desc.ServiceName)
	router := server.Route("/")
	for _, method := range desc.Methods {
		methodDesc := service.Methods().ByName(protoreflect.Name(method.MethodName))
		for _, binding := range bindingsOf(methodDesc) {
			router.Handle(binding.verb, binding.path, handlerOf(binding, method, methodDesc, implementation))
		}
	}
}

func handlerOf(binding httpRule, method grpc.MethodDesc, desc protoreflect.MethodDescriptor, implementation any) http.HandlerFunc {
	operation := "/" + string(desc.Parent().FullName()) + "/" + method.MethodName
	return func(ctx http.Context) error {
		request := newMessage(desc.Input())
		if binding.body == "*" {
			if err := ctx.Bind(request); err != nil {
				return err
			}
		} else if binding.body != "" {
			if err := ctx.Bind(fieldPointer(request, binding.body)); err != nil {
				return err
			}
		}
		if err := ctx.BindQuery(request); err != nil {
			return err
		}
		if strings.Contains(binding.path, "{") {
			if err := ctx.BindVars(request); err != nil {
				return err
			}
		}
		http.SetOperation(ctx, operation)
		handler := ctx.Middleware(func(ctx context.Context, request any) (any, error) {
			return method.Handler(implementation, ctx, func(into any) error {
				proto.Merge(into.(proto.Message), request.(proto.Message))
				return nil
			}, nil)
		})
		reply, err := handler(ctx, request)
		if err != nil {
			return err
		}
		if binding.replyBody != "" {
			reply = reflect.ValueOf(fieldPointer(reply.(proto.Message), binding.replyBody)).Elem().Interface()
		}
		return ctx.Result(nethttp.StatusOK, reply)
	}
}

// invokeHTTP calls as a generated client does, by the main rule.
func invokeHTTP(ctx context.Context, client *http.Client, method protoreflect.MethodDescriptor, request, reply proto.Message, options ...http.CallOption) error {
	rule := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
	made := toBinding(rule)
	pattern := made.path
	path := binding.EncodeURL(pattern, request, made.body == "")
	operation := "/" + string(method.Parent().FullName()) + "/" + string(method.Name())
	options = append(options, http.Operation(operation), http.PathTemplate(pattern))
	var body any
	if made.body == "*" {
		body = request
	} else if made.body != "" {
		body = reflect.ValueOf(fieldPointer(request, made.body)).Elem().Interface()
	}
	var into any = reply
	if made.replyBody != "" {
		into = fieldPointer(reply, made.replyBody)
	}
	return client.Invoke(ctx, made.verb, path, body, into, options...)
}

func serviceOf(name string) protoreflect.ServiceDescriptor {
	desc, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	exitOn(err)
	return desc.(protoreflect.ServiceDescriptor)
}

func newMessage(desc protoreflect.MessageDescriptor) proto.Message {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(desc.FullName())
	exitOn(err)
	return kind.New().Interface()
}

// fieldPointer is &message.Field: what generated code hands to the codec.
func fieldPointer(message proto.Message, name string) any {
	return reflect.ValueOf(message).Elem().FieldByName(strings.ToUpper(name[:1]) + name[1:]).Addr().Interface()
}
