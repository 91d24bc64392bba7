import { create, type DescMessage, type DescService, type Message } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import type { Validator, Violation } from "@bufbuild/protovalidate";
import { checkOptions, kind, listOf, type OptionChecks } from "@clew/options";
import {
  badRequest,
  type Call,
  type Handler,
  hasRequestStream,
  type Middleware,
  type Reply,
  ServiceError,
} from "@clew/rpc";
import { certainRules } from "./certain-rules.ts";
import { optionError, rulesInvalid } from "./errors.ts";
import { perMethod } from "./per-method.ts";

export interface ValidateOptions {
  /**
   * Services whose rules are compiled at once, see {@link Validation.ready}. Those of others are compiled at their first call.
   * Default: none.
   */
  services?: readonly DescService[];
}

const serviceList = "descriptors of generated code, such as [Orders]";
const optionChecks: OptionChecks<ValidateOptions> = {
  services: listOf(
    serviceList,
    kind(serviceList, (given) => (given as Partial<DescService> | null)?.kind === "service"),
  ),
};

/** The middleware that {@link validate} makes. */
export interface Validation extends Middleware {
  /**
   * Resolves when the rules of `services` are compiled, so that the first call is as fast as any other. Rejects with
   * CLEW_MIDDLEWARE_RULES, naming the message, when one does not work: await it before the server starts, and a wrong rule is an
   * error at start.
   */
  readonly ready: Promise<void>;
}

/**
 * Holds requests against the rules in their .proto (`buf.validate`, by protovalidate): on servers before the handler, on
 * clients before they are sent. A request that breaks one fails with 400 VALIDATOR; the message tells the first violation, the
 * metadata and a google.rpc.BadRequest each field with what is wrong with it. Of a stream a server looks at each message as it comes, and the first bad one
 * ends the call; a client's streams are left to the server. Where the request has no rules, nothing is looked at.
 *
 * @throws CLEW_MIDDLEWARE_OPTION
 */
export function validate(options: ValidateOptions = {}): Validation {
  checkOptions("validate", options, optionChecks, optionError);
  const { services = [] } = options;
  let check: Check | undefined;
  const loaded = loadChecks().then((ready) => {
    check = ready.check;
    return ready;
  });
  const ready = loaded.then(({ prepare }) => {
    for (const { methods } of services) for (const { input } of methods) prepare(input);
  });
  // Told to whom awaits it, and to the calls; a promise that nobody looks at would end the process.
  ready.catch(() => {});
  const isRuled = perMethod(({ desc }) => hasRules(desc.input));

  const checkAndPassOn = async (call: Call, next: Handler): Promise<Reply> => {
    const checkMessage = check ?? (await loaded).check;
    const { input } = call.method.desc;
    if (!hasRequestStream(call.method)) {
      const error = checkMessage(input, await call.receive());
      if (error !== undefined) throw error;
    } else if (call.side === "server") {
      call.onMessage((direction, message) => {
        const error = direction === "received" ? checkMessage(input, message) : undefined;
        if (error !== undefined) call.cancel(error);
      });
    }
    return next(call);
  };
  /** The same where nobody has to wait, without a promise. */
  const checkNow = (call: Call, next: Handler): Promise<Reply> => {
    try {
      const message = check === undefined ? undefined : call.receiveNow();
      if (message === undefined) return checkAndPassOn(call, next);
      const error = check!(call.method.desc.input, message);
      return error === undefined ? next(call) : Promise.reject(error);
    } catch (thrown) {
      return Promise.reject(thrown);
    }
  };
  const middleware: Middleware = (next) => (call) => (isRuled(call) ? checkNow(call, next) : next(call));
  return Object.assign(middleware, { ready });
}

/** Gives the error of a message that breaks a rule. Throws CLEW_MIDDLEWARE_RULES when a rule does not work. */
type Check = (desc: DescMessage, message: Message) => ServiceError | undefined;

interface Checks {
  readonly check: Check;
  /** Compiles the rules of a message. Throws CLEW_MIDDLEWARE_RULES when one does not work. */
  readonly prepare: (desc: DescMessage) => void;
}

/** Only who validates pays for the library: with its expression language it takes 150 ms to load. */
async function loadChecks(): Promise<Checks> {
  const { createValidator } = await import("@bufbuild/protovalidate");
  const isCertain = certainRules(await import("@bufbuild/protovalidate/gen/buf/validate/validate_pb.js"));
  const validator: Validator = createValidator();
  const ask: Check = (desc, message) => {
    const { kind, error, violations } = validator.validate(desc, message);
    if (kind === "valid") return undefined;
    if (kind === "error") throw rulesInvalid(desc.typeName, desc.file.proto.name, error);
    return toServiceError(violations, error);
  };
  return {
    check: (desc, message) => (isCertain(desc, message) ? undefined : ask(desc, message)),
    prepare: (desc) => {
      // Whether an empty message passes is of no interest: the library makes the plan of its type, and keeps it.
      ask(desc, create(desc));
      isCertain(desc, create(desc));
    },
  };
}

/** How many fields are told of: a list of thousands may be wrong in each, and metadata travels in headers. */
const maxToldFields = 20;

function toServiceError(violations: readonly Violation[], cause: Error): ServiceError {
  const metadata: Record<string, string> = {};
  let told = 0;
  for (const violation of violations) {
    const where = placeOf(violation);
    if (Object.hasOwn(metadata, where)) metadata[where] += `; ${violation.message}`;
    else if (++told <= maxToldFields) metadata[where] = violation.message;
  }
  const [first] = violations;
  const message = first === undefined ? cause.message : `${placeOf(first)}: ${first.message}`;
  return new ServiceError(400, "VALIDATOR", message, { metadata, details: [badRequest(metadata)], cause });
}

/** `addresses[1].city`; for a rule of the whole message its id. */
function placeOf({ field, ruleId }: Violation): string {
  return field.length === 0 ? ruleId : pathToString(field);
}

/** The number of protovalidate's options on messages, fields and oneofs alike. */
const ruleNumber = 1159;

/** Whether a message, or one it may hold, has a rule. */
function hasRules(desc: DescMessage, seen: Set<DescMessage> = new Set()): boolean {
  if (seen.has(desc)) return false;
  seen.add(desc);
  if (hasRule(desc) || desc.oneofs.some(hasRule)) return true;
  return desc.fields.some((field) => hasRule(field) || (field.message !== undefined && hasRules(field.message, seen)));
}

// An option of another .proto is an unknown field of the options message, which nobody needs to know to see that it is there.
function hasRule({ proto }: { readonly proto: { readonly options?: Message | undefined } }): boolean {
  return proto.options?.$unknown?.some(({ no }) => no === ruleNumber) ?? false;
}
