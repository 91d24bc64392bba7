"""A service with OpenTelemetry's Python SDK that passes calls on over HTTP and gRPC; see ../../proto/relay/v1/relay.proto."""

import json
import os
import urllib.parse
import urllib.request

import grpc
from google.protobuf.wrappers_pb2 import StringValue
from opentelemetry import baggage, propagate
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, set_span_in_context
from relay_servers import run_servers

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


run_servers(serve)
provider.shutdown()
os._exit(0)
