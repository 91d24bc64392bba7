import { chain, hasReplyStream, hasRequestStream } from "@clew/rpc";
import { serviceConflict } from "../errors.ts";
import { compileVariables } from "./binding.ts";
import { compileBodyCodecs } from "./body-codec.ts";
import type { RpcRoute } from "./call.ts";
import type { ResolvedHttpHandlerOptions } from "./handler-options.ts";
import type { RawHandler } from "./route.ts";
import { Router } from "./router.ts";
import { readRules } from "./rule.ts";
import { parseTemplate } from "./template.ts";

/** All that is known of a raw route before its first request. */
export interface RawRoute {
  readonly kind: "raw";
  readonly handle: RawHandler;
}

/** What a request can lead to. */
export type CompiledRoute = RpcRoute | RawRoute;

/**
 * Everything that is decided at registration.
 *
 * @throws a coded error (CLEW_TRANSPORT_...) for a rule or a path that does not work, and for routes in conflict
 */
export function createRouter(options: ResolvedHttpHandlerOptions): Router<CompiledRoute> {
  const router = new Router<CompiledRoute>();
  const middleware = chain(...options.middleware);
  const operations = new Set<string>();
  for (const { methods } of options.services) {
    for (const { method, handler } of methods) {
      if (operations.has(method.operation)) throw serviceConflict(method.operation);
      operations.add(method.operation);
      if (hasRequestStream(method) || hasReplyStream(method)) continue;
      const composed = middleware(handler);
      const { input, output } = method.desc;
      for (const rule of readRules(method)) {
        const route: RpcRoute = {
          kind: "rpc",
          method,
          rule,
          handler: composed,
          bindVariables: compileVariables(rule.variables),
          requestCodecs: compileBodyCodecs(
            options.codecs,
            input,
            typeof rule.body === "object" ? rule.body : undefined,
          ),
          replyCodecs: compileBodyCodecs(options.codecs, output, rule.replyBody),
          timeoutMs: options.timeoutMs,
          bodyLimitBytes: options.bodyLimitBytes,
        };
        router.add(rule.verb, rule.template, route, method.operation);
      }
    }
  }
  for (const { verb, path, handle } of options.routes) {
    const owner = `route ${verb} ${path}`;
    router.add(verb.toUpperCase(), parseTemplate(path, owner), { kind: "raw", handle }, owner);
  }
  return router;
}
