"""The cases with Python's gRPC, which is C-core: python_client.py HOST:PORT DESCRIPTORS [CA]

DESCRIPTORS is a FileDescriptorSet of our proto files: no code is generated for Python.
"""

import queue
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

address, descriptors = sys.argv[1:3]
with open(descriptors, "rb") as file:
    files = descriptor_pb2.FileDescriptorSet.FromString(file.read()).file
messages = message_factory.GetMessages(files)


def message(name):
    return messages["grpc.testing." + name]


Empty = message("Empty")
Payload = message("Payload")
SimpleRequest = message("SimpleRequest")
EchoStatus = message("EchoStatus")
InputRequest = message("StreamingInputCallRequest")
OutputRequest = message("StreamingOutputCallRequest")
Parameters = message("ResponseParameters")

REQUEST_SIZES = [27182, 8, 1828, 45904]
REPLY_SIZES = [31415, 9, 2653, 58979]
INITIAL = ("x-grpc-test-echo-initial", "test_initial_metadata_value")
TRAILING = ("x-grpc-test-echo-trailing-bin", b"\x0a\x0b\x0a\x0b\x0a\x0b")
LIMIT = 60

if len(sys.argv) > 3:
    with open(sys.argv[3], "rb") as file:
        channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(file.read()))
else:
    channel = grpc.insecure_channel(address)


def stub(kind, method, reply, service="TestService"):
    return getattr(channel, kind)(
        "/grpc.testing.%s/%s" % (service, method),
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=message(reply).FromString,
    )


empty_call = stub("unary_unary", "EmptyCall", "Empty")
unary_call = stub("unary_unary", "UnaryCall", "SimpleResponse")
output_call = stub("unary_stream", "StreamingOutputCall", "StreamingOutputCallResponse")
input_call = stub("stream_unary", "StreamingInputCall", "StreamingInputCallResponse")
duplex_call = stub("stream_stream", "FullDuplexCall", "StreamingOutputCallResponse")


def payload(size):
    return Payload(body=b"\0" * size)


def expect(actual, wanted):
    if actual != wanted:
        raise AssertionError("%r instead of %r" % (actual, wanted))


def expect_code(call, code):
    try:
        call()
    except grpc.RpcError as error:
        expect(error.code(), code)
        return error
    except grpc.FutureCancelledError:
        expect(grpc.StatusCode.CANCELLED, code)
        return None
    raise AssertionError("no error instead of %s" % code)


class Requests:
    """Requests that are written one by one, while the replies are read."""

    def __init__(self):
        self._queue = queue.Queue()

    def __iter__(self):
        return iter(self._queue.get, None)

    def send(self, request):
        self._queue.put(request)

    def end(self):
        self._queue.put(None)


def empty_unary():
    expect(empty_call(Empty(), timeout=LIMIT), Empty())


def large_unary():
    reply = unary_call(SimpleRequest(response_size=314159, payload=payload(271828)), timeout=LIMIT)
    expect(len(reply.payload.body), 314159)


def client_streaming():
    reply = input_call((InputRequest(payload=payload(size)) for size in REQUEST_SIZES), timeout=LIMIT)
    expect(reply.aggregated_payload_size, 74922)


def server_streaming():
    request = OutputRequest(response_parameters=[Parameters(size=size) for size in REPLY_SIZES])
    expect([len(reply.payload.body) for reply in output_call(request, timeout=LIMIT)], REPLY_SIZES)


def ping_pong():
    requests = Requests()
    replies = duplex_call(iter(requests), timeout=LIMIT)
    for request_size, reply_size in zip(REQUEST_SIZES, REPLY_SIZES):
        requests.send(OutputRequest(response_parameters=[Parameters(size=reply_size)], payload=payload(request_size)))
        expect(len(next(replies).payload.body), reply_size)
    requests.end()
    expect(list(replies), [])


def empty_stream():
    expect(list(duplex_call(iter([]), timeout=LIMIT)), [])


def timeout_on_sleeping_server():
    requests = Requests()
    replies = duplex_call(iter(requests), timeout=0.001)
    requests.send(OutputRequest(payload=payload(27182)))
    expect_code(lambda: next(replies), grpc.StatusCode.DEADLINE_EXCEEDED)
    requests.end()


def cancel_after_begin():
    requests = Requests()
    call = input_call.future(iter(requests), timeout=LIMIT)
    call.cancel()
    expect(call.cancelled(), True)
    expect_code(call.result, grpc.StatusCode.CANCELLED)
    requests.end()


def cancel_after_first_response():
    requests = Requests()
    replies = duplex_call(iter(requests), timeout=LIMIT)
    requests.send(OutputRequest(response_parameters=[Parameters(size=31415)], payload=payload(27182)))
    expect(len(next(replies).payload.body), 31415)
    replies.cancel()
    expect_code(lambda: next(replies), grpc.StatusCode.CANCELLED)
    requests.end()


def status_code_and_message():
    status = EchoStatus(code=2, message="test status message")
    request = SimpleRequest(response_status=status)
    error = expect_code(lambda: unary_call(request, timeout=LIMIT), grpc.StatusCode.UNKNOWN)
    expect(error.details(), status.message)
    replies = duplex_call(iter([OutputRequest(response_status=status)]), timeout=LIMIT)
    error = expect_code(lambda: list(replies), grpc.StatusCode.UNKNOWN)
    expect(error.details(), status.message)


def special_status_message():
    status = EchoStatus(code=2, message="\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n")
    request = SimpleRequest(response_status=status)
    error = expect_code(lambda: unary_call(request, timeout=LIMIT), grpc.StatusCode.UNKNOWN)
    expect(error.details(), status.message)


def custom_metadata():
    def check(call):
        expect([value for name, value in call.initial_metadata() if name == INITIAL[0]], [INITIAL[1]])
        expect([value for name, value in call.trailing_metadata() if name == TRAILING[0]], [TRAILING[1]])

    request = SimpleRequest(response_size=1, payload=payload(1))
    reply, call = unary_call.with_call(request, metadata=(INITIAL, TRAILING), timeout=LIMIT)
    expect(len(reply.payload.body), 1)
    check(call)
    request = OutputRequest(response_parameters=[Parameters(size=1)], payload=payload(1))
    replies = duplex_call(iter([request]), metadata=(INITIAL, TRAILING), timeout=LIMIT)
    expect([len(reply.payload.body) for reply in replies], [1])
    check(replies)


def unimplemented_method():
    call = stub("unary_unary", "UnimplementedCall", "Empty")
    expect_code(lambda: call(Empty(), timeout=LIMIT), grpc.StatusCode.UNIMPLEMENTED)


def unimplemented_service():
    call = stub("unary_unary", "UnimplementedCall", "Empty", service="UnimplementedService")
    expect_code(lambda: call(Empty(), timeout=LIMIT), grpc.StatusCode.UNIMPLEMENTED)


CASES = [
    empty_unary,
    large_unary,
    client_streaming,
    server_streaming,
    ping_pong,
    empty_stream,
    timeout_on_sleeping_server,
    cancel_after_begin,
    cancel_after_first_response,
    status_code_and_message,
    special_status_message,
    custom_metadata,
    unimplemented_method,
    unimplemented_service,
]

for case in CASES:
    try:
        case()
        print(case.__name__, flush=True)
    except Exception as error:  # The next case is told as well.
        print(case.__name__, " ".join(("%s: %s" % (type(error).__name__, error)).split()), flush=True)
channel.close()
