import type {
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  Message,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { Call } from "./call.ts";
import { messageMaker } from "./codec/message-maker.ts";
import {
  descInvalid,
  implementationInvalid,
  listInvalid,
  methodMissing,
  methodNoFunction,
  methodUnknown,
  replyIsError,
  replyMissing,
  serviceInvalid,
  streamMissing,
} from "./errors.ts";
import { MessageStream } from "./message-stream.ts";
import { createMethod, type Method } from "./method.ts";
import type { Handler, Reply } from "./middleware.ts";
import { placeInProto } from "./proto-place.ts";

/** The functions that answer the methods of a service: any object with one function for each method. */
export type Implementation<S extends DescService> = {
  [M in keyof S["method"]]: MethodImplementation<S["method"][M]>;
};

/**
 * The function that answers one method. It may return a message, or the plain object that a message is created from.
 */
export type MethodImplementation<M extends DescMethod> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageShape<I>, call: Call) => Promise<MessageInitShape<O>> | MessageInitShape<O>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageShape<I>, call: Call) => AsyncIterable<MessageInitShape<O>>
      : M extends DescMethodClientStreaming<infer I, infer O>
        ? (requests: AsyncIterable<MessageShape<I>>, call: Call) => Promise<MessageInitShape<O>>
        : M extends DescMethodBiDiStreaming<infer I, infer O>
          ? (requests: AsyncIterable<MessageShape<I>>, call: Call) => AsyncIterable<MessageInitShape<O>>
          : never;

/** A method and its handler, without middleware. */
export interface ServiceMethod {
  readonly method: Method;
  readonly handler: Handler;
}

/** A service with its implementation, ready for a server's option `services`. */
export interface Service {
  readonly desc: DescService;
  readonly methods: readonly ServiceMethod[];
}

/**
 * Combines a service of a .proto with the object that implements it.
 *
 * @throws CLEW_RPC_METHOD_MISSING, CLEW_RPC_METHOD_UNKNOWN when the two do not match, CLEW_RPC_DESC when `desc` is not a
 * service, CLEW_RPC_IMPLEMENTATION when the implementation is not an object
 */
export function service<S extends DescService>(desc: S, implementation: Implementation<S>): Service {
  if (desc?.kind !== "service") throw descInvalid("the first argument of service()", desc, "Orders");
  const known = desc.methods.map((method) => method.localName);
  if (typeof implementation !== "object" || implementation === null) {
    throw implementationInvalid(desc.typeName, known, implementation);
  }
  const functions = implementation as unknown as Record<string, AnyFunction>;
  const given = Object.keys(functions);
  for (const name of given) {
    if (typeof functions[name] === "function" && !known.includes(name)) {
      throw methodUnknown(desc.typeName, name, placeInProto(desc), known);
    }
  }
  return {
    desc,
    methods: desc.methods.map((methodDesc) => {
      const { localName } = methodDesc;
      if (functions[localName] === undefined) {
        throw methodMissing(desc.typeName, localName, placeInProto(methodDesc), given);
      }
      if (typeof functions[localName] !== "function") {
        throw methodNoFunction(desc.typeName, localName, placeInProto(methodDesc), functions[localName]);
      }
      const method = createMethod(methodDesc);
      return { method, handler: createHandler(method, functions) };
    }),
  };
}

/**
 * Checks the services given to a server, and returns them unchanged.
 *
 * @throws CLEW_RPC_SERVICE for a value that `service()` did not make, CLEW_RPC_LIST
 */
export function checkServices(services: readonly Service[]): readonly Service[] {
  if (!Array.isArray(services)) throw listInvalid("services", services);
  for (const [index, one] of services.entries()) {
    if (one?.desc?.kind !== "service" || !Array.isArray(one.methods)) throw serviceInvalid(index, one);
  }
  return services;
}

// The kind of each method was checked against the type of the implementation; at run time only its name matters.
type AnyFunction = (request: unknown, call: Call) => unknown;

function createHandler(method: Method, functions: Record<string, AnyFunction>): Handler {
  const name = method.localName;
  const output = method.desc.output;
  const replies = messageMaker(output);
  const toReply = (init: object): Message => {
    // Otherwise a handler that forgot to return, or returned a string, would answer with an empty message.
    if (typeof init !== "object" || init === null) throw replyMissing(method.operation, output.typeName, init);
    if (init instanceof Error) throw replyIsError(method.operation, init);
    return replies.from(init);
  };
  const toStream = (answer: unknown): AsyncIterable<object> => {
    if (isAsyncIterable(answer)) return answer;
    throw streamMissing(method.operation, output.typeName, name, answer);
  };
  switch (method.kind) {
    case "unary": {
      const answer = (request: Message, call: Call): Promise<Reply> => {
        const reply = functions[name]!(request, call) as PromiseLike<object> | object;
        return isThenable(reply) ? call.orCancelled(reply).then(toReply) : Promise.resolve(toReply(reply));
      };
      // Not an async function: one that has nothing to wait for allocates its state all the same.
      return (call) => {
        try {
          const request = call.receiveNow();
          if (request !== undefined) return answer(request, call);
          return call.receive().then((received) => answer(received, call));
        } catch (thrown) {
          return Promise.reject(thrown);
        }
      };
    }
    case "server_streaming":
      return async (call) => {
        const request = call.receiveNow() ?? (await call.receive());
        return new MessageStream(output, call, toStream(functions[name]!(request, call)));
      };
    case "client_streaming":
      return async (call) =>
        toReply(await call.orCancelled(functions[name]!(call.messages(), call) as PromiseLike<object>));
    case "bidi_streaming":
      return async (call) => new MessageStream(output, call, toStream(functions[name]!(call.messages(), call)));
  }
}

function isAsyncIterable(value: unknown): value is AsyncIterable<object> {
  return typeof (value as AsyncIterable<object> | undefined)?.[Symbol.asyncIterator] === "function";
}

function isThenable(value: object): value is PromiseLike<object> {
  return typeof (value as PromiseLike<object> | undefined)?.then === "function";
}
