import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorReasonJson, ErrorReasonSchema } from "../test/gen/rpc_test_pb.ts";
import { fromGrpcCode, GrpcCode, toGrpcCode } from "./code.ts";
import { errorsOf } from "./errors-of.ts";
import { ServiceError } from "./service-error.ts";

test("a ServiceError shows its caller code, reason, message and metadata, and keeps the cause to itself", () => {
  const cause = new Error("password is hunter2");
  const error = new ServiceError(404, "USER_NOT_FOUND", "no user ann", { metadata: { id: "ann" }, cause });
  assert.equal(error.cause, cause);
  assert.equal(
    JSON.stringify(error),
    '{"code":404,"reason":"USER_NOT_FOUND","message":"no user ann","metadata":{"id":"ann"}}',
  );
});

test("a foreign throw becomes 500 UNKNOWN and gives nothing away", () => {
  for (const thrown of [new Error("secret"), "secret", undefined, { message: "secret" }]) {
    const error = ServiceError.from(thrown);
    assert.equal(error.code, 500);
    assert.equal(error.reason, "UNKNOWN");
    assert.equal(error.cause, thrown);
    assert.doesNotMatch(JSON.stringify(error), /secret/);
  }
});

test("a ServiceError passes through from() as itself", () => {
  const error = new ServiceError(409, "TAKEN", "taken");
  assert.equal(ServiceError.from(error), error);
});

test("matches() looks at code and reason only", () => {
  const error = new ServiceError(409, "TAKEN", "taken");
  assert.ok(error.matches(new ServiceError(409, "TAKEN", "other words")));
  assert.ok(!error.matches(new ServiceError(400, "TAKEN", "taken")));
  assert.ok(!error.matches(new Error("taken")));
});

test("errorsOf makes one factory for each value, with the code of the value or the enum's default", () => {
  const errors = errorsOf(ErrorReasonSchema);
  const error = errors.USER_NOT_FOUND("no user ann", { metadata: { id: "ann" } });
  assert.ok(error instanceof ServiceError);
  assert.deepEqual(error.toJSON(), {
    code: 404,
    reason: "USER_NOT_FOUND",
    message: "no user ann",
    metadata: { id: "ann" },
  });
  assert.equal(errors.STORAGE.code, 503);
  assert.ok(errors.USER_NOT_FOUND.is(new ServiceError(404, "USER_NOT_FOUND", "from elsewhere")));
  assert.ok(!errors.USER_NOT_FOUND.is(errors.STORAGE("down")));
});

test("the names of the factories are typed", () => {
  const errors = errorsOf(ErrorReasonSchema);
  const names = Object.keys(errors) satisfies string[];
  assert.deepEqual(names, ["STORAGE", "USER_NOT_FOUND"] satisfies ErrorReasonJson[]);
  // @ts-expect-error: the enum has no such value
  assert.equal(errors.NO_SUCH_VALUE, undefined);
});

test("codes map onto gRPC's and back as Kratos has it", () => {
  const pairs: [number, number][] = [
    [200, GrpcCode.OK],
    [400, GrpcCode.INVALID_ARGUMENT],
    [401, GrpcCode.UNAUTHENTICATED],
    [403, GrpcCode.PERMISSION_DENIED],
    [404, GrpcCode.NOT_FOUND],
    [409, GrpcCode.ABORTED],
    [429, GrpcCode.RESOURCE_EXHAUSTED],
    [499, GrpcCode.CANCELLED],
    [500, GrpcCode.INTERNAL],
    [501, GrpcCode.UNIMPLEMENTED],
    [503, GrpcCode.UNAVAILABLE],
    [504, GrpcCode.DEADLINE_EXCEEDED],
  ];
  for (const [http, grpc] of pairs) {
    assert.equal(toGrpcCode(http), grpc, `to ${http}`);
    assert.equal(fromGrpcCode(grpc), http, `from ${grpc}`);
  }
  assert.equal(toGrpcCode(418), GrpcCode.UNKNOWN);
  assert.equal(fromGrpcCode(GrpcCode.UNKNOWN), 500);
  assert.equal(fromGrpcCode(GrpcCode.ALREADY_EXISTS), 409);
  assert.equal(fromGrpcCode(99), 500);
});
