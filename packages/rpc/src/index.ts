export {
  type BodySizes,
  Call,
  currentCall,
  type HttpInfo,
  type MessageListener,
  type Peer,
  type SentHttp,
} from "./call.ts";
export { type CallOptions, createServiceClient, type ServiceClient, type ServiceClientOptions } from "./client.ts";
export type { Codec, MessageCodec } from "./codec/codec.ts";
export { createJsonCodec, jsonCodec } from "./codec/json.ts";
export type { JsonCodecOptions } from "./codec/json-options.ts";
export { protoCodec } from "./codec/proto.ts";
export { badRequest, ErrorDetail, help, localized, retryInfo } from "./error-detail.ts";
export { type ErrorFactory, type Errors, errorsOf } from "./errors-of.ts";
export {
  BadRequestSchema,
  DebugInfoSchema,
  ErrorInfoSchema,
  HelpSchema,
  LocalizedMessageSchema,
  PreconditionFailureSchema,
  QuotaFailureSchema,
  RequestInfoSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "./gen/google/rpc/error_details_pb.ts";
export { Metadata, type MetadataInit } from "./metadata.ts";
export { chain, type Handler, type Middleware, type Reply, type Watch, type WatchEnd, watcher } from "./middleware.ts";
export { type Implementation, type Service, service } from "./service.ts";
export {
  type ErrorJson,
  type ErrorStatus,
  isBadRequest,
  isClientClosed,
  isConflict,
  isForbidden,
  isGatewayTimeout,
  isInternalServer,
  isNotFound,
  isServiceUnavailable,
  isTooManyRequests,
  isUnauthorized,
  ServiceError,
  type ServiceErrorOptions,
} from "./service-error.ts";

// For library authors.

export type { CallInit } from "./call.ts";
export { type Client, type MethodClient, serviceClientChecks } from "./client.ts";
export { fromGrpcCode, GrpcCode, toGrpcCode } from "./code.ts";
export { type MessageMaker, messageMaker } from "./codec/message-maker.ts";
export { type Deadline, deadlineIn, earliest, remainingMs } from "./deadline.ts";
export { answerInvalid, callReceivesMessage, callReceivesStream, descInvalid } from "./errors.ts";
export { StatusSchema as ErrorStatusSchema } from "./gen/errors/errors_pb.ts";
export { http as httpRule } from "./gen/google/api/annotations_pb.ts";
export type { HttpRule } from "./gen/google/api/http_pb.ts";
export { StatusSchema as GrpcStatusSchema } from "./gen/google/rpc/status_pb.ts";
export { MessageStream } from "./message-stream.ts";
export { indexOfHeader, type RawHeaders } from "./metadata.ts";
export { createMethod, hasReplyStream, hasRequestStream, type Method } from "./method.ts";
export { isStream, meetOperations, nameOperations, watchCall, watchReply } from "./middleware.ts";
export { placeInProto } from "./proto-place.ts";
export { checkServices, type MethodImplementation, type ServiceMethod } from "./service.ts";
export { callCancelled, deadlineExceeded } from "./service-error.ts";
export { serviceNameHeader, serviceNameKey } from "./service-name.ts";
export { markTold, wasTold } from "./told-failures.ts";
