import type { IncomingMessage } from "node:http";
import { ServiceError } from "@clew/rpc";
import { cors, type Filter } from "@clew/transport/http";

/** Whether a host name, without its port, always means this machine. */
export function isLocalHost(host: string): boolean {
  return /^(?:localhost|.+\.localhost|127(?:\.\d{1,3}){3}|\[::1\])$/i.test(host);
}

/** Whether a browser's Origin belongs to a page of this machine. */
export function isLocalOrigin(origin: string): boolean {
  return URL.canParse(origin) && /^https?:$/.test(new URL(origin).protocol) && isLocalHost(new URL(origin).hostname);
}

/**
 * Refuses requests over the loopback interface under a host name that is not this machine's. If the name of a web page is made
 * to point to this machine (DNS rebinding), the browser treats the collector as the page's own origin, and the page could read
 * every trace; but the page cannot choose the Host header.
 */
export function checkHost(allowedHosts: readonly string[]): Filter {
  const allowed = new Set(allowedHosts.map((host) => host.toLowerCase()));
  return (next) => (request, response, variables) => {
    const host = hostOf(request);
    if (isLoopback(request) && !isLocalHost(host) && !allowed.has(host.toLowerCase())) {
      throw new ServiceError(
        403,
        "HOST_NOT_ALLOWED",
        `this collector does not answer ${host === "" ? "a request without Host" : `under the name ${host}`}; use localhost, or add the name to the option allowedHosts`,
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

/** Lets web pages of this machine send spans (CORS). For other pages the permission is missing, so browsers refuse to send. */
export function allowLocalOrigins(): Filter {
  // The page's exporter decides which headers it adds; none of them has a meaning here.
  return cors({ origins: isLocalOrigin, methods: ["POST"], maxAgeSeconds: 86_400 });
}
