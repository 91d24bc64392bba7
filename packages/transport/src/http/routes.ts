import { chain, hasReplyStream, hasRequestStream, type Method, messageMaker, type ServiceMethod } from "@clew/rpc";
import { optionInvalid, serviceConflict } from "../errors.ts";
import type { Health } from "../health.ts";
import { compileVariables } from "./binding.ts";
import { compileBodyCodecs, negotiate } from "./body-codec.ts";
import type { RpcRoute } from "./call.ts";
import type { ResolvedHttpHandlerOptions } from "./handler-options.ts";
import { createHealthRoutes } from "./health-routes.ts";
import { compileHttpBody } from "./http-body.ts";
import { checkTimeout, compileMethodOptions, type ResolvedMethodOptions } from "./method-options.ts";
import { compileMultipart } from "./multipart-body.ts";
import type { ResolvedMultipartLimits } from "./multipart-parser.ts";
import { answerRaw, createRawMethod, type RawRoute, type RawTarget } from "./raw-call.ts";
import { type FlatRoute, flattenRoutes, type RawHandler, type RouteInfo } from "./route.ts";
import { Router } from "./router.ts";
import { hasRule, isVerb, type Rule, readServedRules } from "./rule.ts";
import { compileStreamRoute } from "./serve-stream.ts";
import type { StreamRoute } from "./stream-route.ts";
import { parseTemplate, type Template } from "./template.ts";

/** The routes that a request can match. */
export type CompiledRoute = RpcRoute | RawRoute | StreamRoute;

/** Answers the request of a raw route as a call. */
export type ServeRaw = (target: RawTarget, ...request: Parameters<RawHandler>) => Promise<void>;

/** Everything that is decided at registration. */
export interface Registration {
  readonly router: Router<CompiledRoute>;
  /** All routes, services before raw ones, in the order they were given. */
  readonly routes: readonly RouteInfo[];
  /** Whether every call of a service has a deadline. */
  readonly callsHaveDeadline: boolean;
}

/** @throws a coded error (CLEW_TRANSPORT_...) for an invalid rule or path, and for conflicting routes */
export function registerRoutes(options: ResolvedHttpHandlerOptions, health: Health, serveRaw: ServeRaw): Registration {
  const router = new Router<CompiledRoute>();
  const routes: RouteInfo[] = [];
  const add = (
    verb: string,
    template: Template,
    route: CompiledRoute,
    info: Pick<RouteInfo, "operation" | "kind">,
    owner: string,
  ): void => {
    router.add(verb, template, route, owner);
    routes.push({ verb, path: template.text, ...info });
  };
  let callsHaveDeadline = true;
  const optionsOf = compileMethodOptions(options, options.methods, options.services);
  const middleware = chain(...options.middleware);
  for (const { method, handler } of methodsOf(options)) {
    if (!options.defaultRoutes && !hasRule(method)) continue;
    const composed = middleware(handler);
    for (const rule of readServedRules(method, options.prefix)) {
      const route = compileRpcRoute(method, rule, composed, optionsOf(method.operation), options.multipart);
      if (hasRequestStream(method) || hasReplyStream(method)) {
        // A stream has no time limit, unless its own entry sets one.
        const timeoutMs = options.methods[method.operation]?.timeoutMs ?? 0;
        if (timeoutMs === 0 && !hasRequestStream(method)) callsHaveDeadline = false;
        // A WebSocket begins with GET, whatever the rule says.
        const verb = hasRequestStream(method) ? "GET" : rule.verb;
        add(verb, rule.template, compileStreamRoute({ ...route, timeoutMs }), method, rule.owner);
        continue;
      }
      if (route.timeoutMs === 0) callsHaveDeadline = false;
      add(rule.verb, rule.template, route, method, rule.owner);
    }
  }
  const { prefix, middleware: around, logger } = options;
  const healthRoutes = options.health === undefined ? [] : createHealthRoutes(options.health, health, logger);
  for (const route of [
    ...flattenRoutes(healthRoutes, { prefix: "", filters: [], middleware: undefined }),
    ...flattenRoutes(options.routes, { prefix, filters: [], middleware: around }),
  ]) {
    const owner = `route ${route.verb} ${route.path}`;
    const template = parseTemplate(route.path, owner);
    const { operation } = route;
    add(route.verb, template, compileRawRoute(route, owner, serveRaw), { operation, kind: "raw" }, owner);
  }
  return { router, routes, callsHaveDeadline };
}

function methodsOf({ services }: ResolvedHttpHandlerOptions): ServiceMethod[] {
  const methods = services.flatMap((service) => service.methods);
  const operations = new Set<string>();
  for (const { method } of methods) {
    if (operations.has(method.operation)) throw serviceConflict(method.operation);
    operations.add(method.operation);
  }
  return methods;
}

function compileRpcRoute(
  method: Method,
  rule: Rule,
  handler: RpcRoute["handler"],
  { codecs, timeoutMs, bodyLimitBytes }: ResolvedMethodOptions,
  multipart: ResolvedMultipartLimits,
): RpcRoute {
  const { input, output } = method.desc;
  const bodyField = typeof rule.body === "object" ? rule.body : undefined;
  const replyCodecs = compileBodyCodecs(codecs, output, rule.replyBody);
  return {
    kind: "rpc",
    method,
    rule,
    handler,
    bindVariables: compileVariables(rule.variables),
    requests: messageMaker(input),
    requestCodecs: compileBodyCodecs(codecs, input, bodyField),
    replyCodecs,
    replyCodec: negotiate(replyCodecs, undefined),
    requestHttpBody: compileHttpBody(input, bodyField),
    replyHttpBody: compileHttpBody(output, rule.replyBody),
    requestMultipart: compileMultipart(input, bodyField, multipart),
    timeoutMs,
    bodyLimitBytes,
  };
}

function compileRawRoute(route: FlatRoute, owner: string, serveRaw: ServeRaw): RawRoute {
  const { operation, path, handle, filters, middleware, timeoutMs } = route;
  checkTimeout(timeoutMs, `timeoutMs of ${owner}`);
  if (!isVerb(route.verb)) throw optionInvalid(`verb of ${owner}`, `"${route.verb}"`, 'one like "GET", or "*" for any');
  if (typeof handle !== "function") throw optionInvalid(`handle of ${owner}`, handle, "a function");
  let run = handle;
  if (middleware !== undefined) {
    const handler = chain(...middleware)(answerRaw);
    const target: RawTarget = { method: createRawMethod(operation), path, handler, handle, timeoutMs };
    run = (request, response, variables) => serveRaw(target, request, response, variables);
  }
  return {
    kind: "raw",
    isCall: middleware !== undefined,
    run: filters.reduceRight((next, filter) => filter(next), run),
  };
}
