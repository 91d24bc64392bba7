"""A service with SkyWalking's agent for Python that passes calls on over HTTP and gRPC; see ../../../traces/proto/relay/v1/relay.proto."""

import json
import os
import sys
import urllib.parse
import urllib.request
from pathlib import Path

from skywalking import agent

# It replaces functions of the libraries, grpc's before anyone has imported it.
agent.start()

import grpc  # noqa: E402
from google.protobuf.wrappers_pb2 import StringValue  # noqa: E402
from skywalking.trace.context import get_context  # noqa: E402

sys.path.append(str(Path(__file__).parents[3] / "traces/peers/python"))
from relay_servers import run_servers  # noqa: E402

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


run_servers(lambda _carrier, route: serve(route))
os._exit(0)
