// For library authors: what a transport is made of.
export type { CallInit } from "./call.ts";
export { Call, currentCall, type MessageListener, type Peer } from "./call.ts";
export type { Client, MethodClient } from "./client.ts";
export { type CallOptions, createServiceClient, type ServiceClient, type ServiceClientOptions } from "./client.ts";
export { fromGrpcCode, GrpcCode, toGrpcCode } from "./code.ts";
export {
  type Codec,
  createJsonCodec,
  type JsonCodecOptions,
  jsonCodec,
  type MessageCodec,
  protoCodec,
} from "./codec.ts";
export { type Deadline, deadlineIn, earliest, remainingMs } from "./deadline.ts";
export { callReceivesMessage, callReceivesStream } from "./errors.ts";
export { type ErrorFactory, type Errors, errorsOf } from "./errors-of.ts";
export { Metadata, type MetadataInit } from "./metadata.ts";
export { createMethod, hasReplyStream, hasRequestStream, type Method } from "./method.ts";
export { chain, type Handler, isStream, type Middleware, type Reply, watchReply } from "./middleware.ts";
export type { MethodImplementation, ServiceMethod } from "./service.ts";
export { type Implementation, type Service, service } from "./service.ts";
export {
  callCancelled,
  deadlineExceeded,
  type ErrorStatus,
  ServiceError,
  type ServiceErrorOptions,
} from "./service-error.ts";
