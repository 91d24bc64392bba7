"""The two servers of a relay; see ../../proto/relay/v1/relay.proto. SkyWalking's peer has them too."""

import json
import sys
import threading
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from google.protobuf.wrappers_pb2 import StringValue


def run_servers(serve):
    """Answers over HTTP and gRPC with what serve(carrier, route) returns, until whoever started this closes its input."""

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
            return StringValue(value=serve(dict(context.invocation_metadata()), request.value))
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
    sys.stdin.read()
