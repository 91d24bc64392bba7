import type { IncomingMessage } from "node:http";
import { ServiceError } from "@clew/rpc";
import { cors, type Filter } from "@clew/transport/http";

/** Whether a host name, without its port, can only be this machine. */
export function isLocalHost(host: string): boolean {
  return /^(?:localhost|.+\.localhost|127(?:\.\d{1,3}){3}|\[::1\])$/i.test(host);
}

/** Whether a browser's Origin is a page of this machine. */
export function isLocalOrigin(origin: string): boolean {
  return URL.canParse(origin) && /^https?:$/.test(new URL(origin).protocol) && isLocalHost(new URL(origin).hostname);
}

/**
 * Refuses what comes over the loopback under a name that is not this machine's. A web page whose own name was made to point
 * here (DNS rebinding) is the same origin to its browser, and could read every trace; but it cannot choose the Host header.
 */
export function checkHost(allowedHosts: readonly string[]): Filter {
  const allowed = new Set(allowedHosts.map((host) => host.toLowerCase()));
  return (next) => (request, response, variables) => {
    const host = hostOf(request);
    if (isLoopback(request) && !isLocalHost(host) && !allowed.has(host.toLowerCase())) {
      throw new ServiceError(
        403,
        "HOST_NOT_ALLOWED",
        `this collector is not known as ${host || "a request without Host"}; use localhost, or list the name in allowedHosts`,
      );
    }
    return next(request, response, variables);
  };
}

function hostOf(request: IncomingMessage): string {
  return (request.headers.host ?? "").replace(/:\d*$/, "");
}

function isLoopback(request: IncomingMessage): boolean {
  const address = request.socket.localAddress ?? "";
  return address === "::1" || /^(?:::ffff:)?127\./.test(address);
}

/** Lets web pages of this machine send spans (CORS); browsers refuse the others when they see no permission. */
export function allowLocalOrigins(): Filter {
  // The page decides which headers its exporter adds; none of them means anything here.
  return cors({ origins: isLocalOrigin, methods: ["POST"], maxAgeSeconds: 86_400 });
}
