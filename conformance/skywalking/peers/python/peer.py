"""A service with SkyWalking's agent for Python that passes calls on over HTTP and gRPC; see ../../../traces/proto/relay/v1/relay.proto."""

import json
import os
import sys
import threading
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from skywalking import agent

# It replaces functions of the libraries, grpc's before anyone has imported it.
agent.start()

import grpc  # noqa: E402
from google.protobuf.wrappers_pb2 import StringValue  # noqa: E402
from skywalking.trace.context import get_context  # noqa: E402

SERVICE = os.environ["SW_AGENT_NAME"]


def serve(route):
    if route.startswith("set,"):
        route = route[4:]
        get_context().put_correlation("user", "grün,a=b;c-d%41")
    me = f"{SERVICE}:{get_context().get_correlation('user') or ''}"
    if route == "":
        return me
    if route == "fail":
        raise RuntimeError("told to fail")
    return f"{call(route)} {me}"


def call(route):
    step, _, rest = route.partition(",")
    protocol, _, address = step.partition("=")
    if protocol == "grpc":
        with grpc.insecure_channel(address) as channel:
            method = channel.unary_unary("/relay.v1.Relay/Pass", StringValue.SerializeToString, StringValue.FromString)
            return method(StringValue(value=rest), timeout=10).value
    url = f"http://{address}/relay?route={urllib.parse.quote(rest)}"
    with urllib.request.urlopen(urllib.request.Request(url), timeout=10) as response:
        return json.load(response)["hops"]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        try:
            status, body = 200, json.dumps({"hops": serve(query.get("route", [""])[0])})
        except Exception as error:
            status, body = 500, str(error)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


def handle(request, context):
    try:
        return StringValue(value=serve(request.value))
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
os._exit(0)
