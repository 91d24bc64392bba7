"""A service with OpenTelemetry's Python SDK that passes calls on over HTTP and gRPC; see ../../proto/relay/v1/relay.proto."""

import json
import os
import sys
import threading
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from google.protobuf.wrappers_pb2 import StringValue
from opentelemetry import baggage, propagate
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

NAME = "relay.v1.Relay/Pass"
SERVICE = os.environ["OTEL_SERVICE_NAME"]

if os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Exporter
elif os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] == "zipkin":
    from opentelemetry.exporter.zipkin.proto.http import ZipkinExporter as Exporter
else:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Exporter

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(Exporter()))
tracer = provider.get_tracer("peer")


def serve(carrier, route):
    context = propagate.extract(carrier)
    if route.startswith("set,"):
        route = route[4:]
        context = baggage.set_baggage("user", "blue", context)
    with tracer.start_as_current_span(NAME, context, SpanKind.SERVER) as span:
        context = set_span_in_context(span, context)
        me = f"{SERVICE}:{baggage.get_baggage('user', context) or ''}"
        if route == "":
            return me
        if route == "fail":
            raise RuntimeError("told to fail")
        return f"{call(context, route)} {me}"


def call(context, route):
    step, _, rest = route.partition(",")
    protocol, _, address = step.partition("=")
    with tracer.start_as_current_span(NAME, context, SpanKind.CLIENT) as span:
        headers = {}
        propagate.inject(headers, set_span_in_context(span, context))
        if protocol == "grpc":
            with grpc.insecure_channel(address) as channel:
                method = channel.unary_unary(
                    "/relay.v1.Relay/Pass", StringValue.SerializeToString, StringValue.FromString
                )
                return method(StringValue(value=rest), metadata=list(headers.items()), timeout=10).value
        url = f"http://{address}/relay?route={urllib.parse.quote(rest)}"
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as response:
            return json.load(response)["hops"]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        try:
            carrier = {key.lower(): value for key, value in self.headers.items()}
            status, body = 200, json.dumps({"hops": serve(carrier, query.get("route", [""])[0])})
        except Exception as error:
            status, body = 500, str(error)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


def handle(request, context):
    try:
        carrier = {key: value for key, value in context.invocation_metadata()}
        return StringValue(value=serve(carrier, request.value))
    except Exception as error:
        context.abort(grpc.StatusCode.INTERNAL, str(error))


http_server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=http_server.serve_forever, daemon=True).start()
grpc_server = grpc.server(ThreadPoolExecutor(8))
method = grpc.unary_unary_rpc_method_handler(handle, StringValue.FromString, StringValue.SerializeToString)
grpc_server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("relay.v1.Relay", {"Pass": method}),))
port = grpc_server.add_insecure_port("127.0.0.1:0")
grpc_server.start()
print(json.dumps({"http": f"127.0.0.1:{http_server.server_port}", "grpc": f"127.0.0.1:{port}"}), flush=True)
# Whoever started it ends it by closing its input.
sys.stdin.read()
provider.shutdown()
os._exit(0)
