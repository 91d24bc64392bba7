import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { AnySchema, anyPack } from "@bufbuild/protobuf/wkt";
import {
  BadErrorReasonSchema,
  type ErrorReasonJson,
  ErrorReasonSchema,
  HelloSchema,
  ZeroErrorReasonSchema,
} from "../test/gen/rpc_test_pb.ts";
import { fromGrpcCode, GrpcCode, toGrpcCode } from "./code.ts";
import { badRequest, ErrorDetail, help, localized, retryInfo } from "./error-detail.ts";
import { errorsOf } from "./errors-of.ts";
import {
  BadRequestSchema,
  HelpSchema,
  LocalizedMessageSchema,
  RetryInfoSchema,
} from "./gen/google/rpc/error_details_pb.ts";
import * as errors from "./service-error.ts";
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

test("a code that tells of a success, or none at all, is an error at the start that names the value", () => {
  for (const [desc, message] of [
    [BadErrorReasonSchema, /BadErrorReason \(\S+\.proto\): value TOO_LARGE has the code 900/],
    [ZeroErrorReasonSchema, /ZeroErrorReason \(\S+\.proto\): value FORGOTTEN has the code 0/],
  ] as const) {
    assert.throws(() => errorsOf(desc), { code: "CLEW_RPC_ERROR_CODE", message });
  }
});

test("what is no enum is an error that says where one comes from", () => {
  assert.throws(() => errorsOf({} as typeof BadErrorReasonSchema), {
    code: "CLEW_RPC_DESC",
    message: /errorsOf\(\) is an object/,
  });
});

test("a predicate for each of the usual codes, whatever the reason", () => {
  const predicates = [
    [400, errors.isBadRequest],
    [401, errors.isUnauthorized],
    [403, errors.isForbidden],
    [404, errors.isNotFound],
    [409, errors.isConflict],
    [429, errors.isTooManyRequests],
    [499, errors.isClientClosed],
    [500, errors.isInternalServer],
    [503, errors.isServiceUnavailable],
    [504, errors.isGatewayTimeout],
  ] as const;
  for (const [code] of predicates) {
    const thrown: unknown = new ServiceError(code, "ANY", "");
    for (const [other, is] of predicates) assert.equal(is(thrown), code === other, `${code} by ${other}`);
  }
  assert.equal(errors.isNotFound({ code: 404 }), false);
  assert.equal(errors.isInternalServer(undefined), false);
});

test("details are messages of any type, by their schema", () => {
  const hello = ErrorDetail.of(HelloSchema, { name: "ann", count: 2n ** 60n });
  const error = new ServiceError(400, "BAD", "bad", {
    details: [
      badRequest({ name: "is taken", "items[1]": "is empty" }),
      localized("de", "falsch"),
      retryInfo(1500.5),
      help({ manual: "https://example.com/errors" }),
      hello,
    ],
  });
  assert.deepEqual(
    error.detail(BadRequestSchema)?.fieldViolations.map(({ field, description }) => [field, description]),
    [
      ["name", "is taken"],
      ["items[1]", "is empty"],
    ],
  );
  assert.equal(error.detail(LocalizedMessageSchema)?.message, "falsch");
  assert.deepEqual(
    [error.detail(RetryInfoSchema)?.retryDelay?.seconds, error.detail(RetryInfoSchema)?.retryDelay?.nanos],
    [1n, 500_500_000],
  );
  assert.equal(error.detail(HelpSchema)?.links[0]?.url, "https://example.com/errors");
  assert.equal(error.detail(HelloSchema)?.count, 2n ** 60n);
  assert.equal(new ServiceError(400, "BAD", "bad").detail(BadRequestSchema), undefined);
});

test("details are in the JSON where there are some, and are read from it", () => {
  const error = new ServiceError(400, "BAD", "bad", {
    details: [badRequest({ name: "is taken" }), ErrorDetail.of(HelloSchema, { name: "ann" })],
  });
  const json = JSON.stringify(error);
  assert.equal(
    json,
    '{"code":400,"reason":"BAD","message":"bad","metadata":{},"details":[' +
      '{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"name","description":"is taken"}]},' +
      '{"@type":"type.googleapis.com/rpc.test.Hello","name":"ann"}]}',
  );
  const read = ServiceError.fromJson(JSON.parse(json));
  assert.equal(read?.detail(BadRequestSchema)?.fieldViolations[0]?.field, "name");
  assert.equal(read?.detail(HelloSchema)?.name, "ann");
  assert.equal(JSON.stringify(read), json);
  // google.rpc's own can go on over gRPC; of what is not known here only the JSON is left.
  assert.deepEqual(
    read?.details.map((detail) => detail.toAny()?.typeUrl),
    ["type.googleapis.com/google.rpc.BadRequest", undefined],
  );
});

test("a detail of a type that is not known here passes through JSON as bytes", () => {
  const any = anyPack(HelloSchema, create(HelloSchema, { name: "ann" }));
  const json = ErrorDetail.fromAny(any).toJSON();
  assert.deepEqual(json, { "@type": "type.googleapis.com/rpc.test.Hello", "@value": "CgNhbm4=" });
  const read = ErrorDetail.fromJson(json);
  assert.equal(read?.as(HelloSchema)?.name, "ann");
  assert.deepEqual(toBinary(AnySchema, read!.toAny()!), toBinary(AnySchema, any));
});

test("details that are none are passed over", () => {
  const read = ServiceError.fromJson({
    code: "x",
    reason: 1,
    message: "m",
    metadata: { a: 1, b: "2" },
    details: [null, 1, {}, { "@type": "" }, { "@type": "x/google.rpc.BadRequest", fieldViolations: 7 }],
  });
  assert.deepEqual([read?.code, read?.reason, read?.message, read?.metadata], [500, "", "m", { b: "2" }]);
  assert.equal(read?.details.length, 1);
  assert.equal(read?.detail(BadRequestSchema), undefined);
  assert.equal(read?.details[0]?.toAny(), undefined);
  for (const json of [null, 1, "x", {}, { code: 404 }]) assert.equal(ServiceError.fromJson(json), undefined);
  const damaged = ErrorDetail.fromAny(create(AnySchema, { typeUrl: "x/rpc.test.Hello", value: Uint8Array.of(10, 9) }));
  assert.equal(damaged.as(HelloSchema), undefined);
});

test("an error is changed by making another one, which failed at the same place", () => {
  const error = new ServiceError(404, "GONE", "gone", { metadata: { a: "1" } });
  const cause = new Error("secret");
  const other = error.withMetadata({ b: "2" }).withCause(cause).withDetails(localized("de", "weg"));
  assert.deepEqual(
    [other.code, other.reason, other.message, other.metadata],
    [404, "GONE", "gone", { a: "1", b: "2" }],
  );
  assert.equal(other.cause, cause);
  assert.equal(other.detail(LocalizedMessageSchema)?.message, "weg");
  assert.equal(other.stack, error.stack);
  assert.deepEqual([error.metadata, error.cause, error.details.length], [{ a: "1" }, undefined, 0]);
  assert.equal("cause" in error, false);
  assert.equal("cause" in error.withMetadata({}), false);
  assert.doesNotMatch(JSON.stringify(other), /secret/);
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
  // Each row of the other table, by number.
  assert.deepEqual(
    Array.from({ length: 17 }, (_, code) => fromGrpcCode(code)),
    [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401],
  );
  assert.equal(toGrpcCode(412), GrpcCode.FAILED_PRECONDITION);
  assert.equal(toGrpcCode(418), GrpcCode.UNKNOWN);
  assert.equal(fromGrpcCode(GrpcCode.UNKNOWN), 500);
  assert.equal(fromGrpcCode(GrpcCode.ALREADY_EXISTS), 409);
  assert.equal(fromGrpcCode(99), 500);
});

test("a code that is no number is an error at once", () => {
  for (const code of ["ORDER_NOT_FOUND", undefined, "404"]) {
    assert.throws(() => new ServiceError(code as unknown as number, "no order", ""), {
      code: "CLEW_RPC_SERVICE_ERROR",
      message: `the code of a ServiceError is ${JSON.stringify(code)}; it must be a number, as in new ServiceError(404, "ORDER_NOT_FOUND", "no order 7")`,
    });
  }
});
