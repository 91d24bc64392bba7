import { targetInvalid } from "./errors.ts";

/** The scheme of an endpoint that a client can call. */
export type Scheme = "grpc" | "grpcs" | "http" | "https";

/** A target that was read. */
export type Target = (
  | { readonly kind: "discovery"; readonly name: string }
  | { readonly kind: "dns"; readonly host: string; readonly port: number }
  | { readonly kind: "direct"; readonly endpoints: readonly string[] }
) & {
  /** The accepted schemes of an instance's endpoints, in order of preference. */
  readonly schemes: readonly Scheme[];
  /** The protocol of all these schemes. */
  readonly transport: "grpc" | "http";
};

const works = [
  '"discovery:///helloworld"',
  '"direct:///10.0.0.5:9000,10.0.0.6:9000"',
  '"dns:///helloworld.default.svc:9000"',
  '"grpc://10.0.0.5:9000"',
  'or one of the first three followed by "?scheme=http"',
] as const;

/** Whether a text is a target that is resolved to nodes, not a single endpoint. */
export function isResolvable(target: string): boolean {
  return /^(?:discovery|direct|dns):/i.test(target);
}

/**
 * Reads a target. A suffix `?scheme=` selects the endpoints: grpc, grpcs, http or https. Without it gRPC endpoints are used:
 * with TLS if an instance offers both, without TLS for a `host:port`.
 *
 * @throws CLEW_REGISTRY_TARGET
 */
export function parseTarget(text: string): Target {
  const endpoint = toEndpoint(text, undefined);
  if (endpoint !== undefined) return { kind: "direct", endpoints: [endpoint], ...meaning([schemeOf(endpoint)]) };
  const match = /^(discovery|direct|dns):\/\/\/([^?#\s]+?)\/?(?:\?scheme=(grpcs?|https?))?$/i.exec(text);
  if (match === null) throw targetInvalid(text, works);
  const rest = match[2]!;
  const scheme = match[3]?.toLowerCase() as Scheme | undefined;
  switch (match[1]!.toLowerCase()) {
    case "discovery":
      return { kind: "discovery", name: decode(text, rest), ...meaning(scheme ? [scheme] : ["grpcs", "grpc"]) };
    case "dns": {
      const at = hostPortPattern.exec(rest);
      if (at === null || Number(at[2]) > 65535) throw targetInvalid(text, [works[2]]);
      const host = at[1]!.replace(/^\[(.*)\]$/, "$1");
      return { kind: "dns", host, port: Number(at[2]), ...meaning([scheme ?? "grpc"]) };
    }
    default:
      return parseDirect(text, rest.split(","), scheme);
  }
}

function parseDirect(text: string, parts: readonly string[], given: Scheme | undefined): Target {
  const endpoints = parts.map((part) => toEndpoint(part, given ?? "grpc"));
  const schemes = new Set(endpoints.map((endpoint) => (endpoint === undefined ? undefined : schemeOf(endpoint))));
  const [scheme] = schemes;
  if (schemes.size > 1 || scheme === undefined || (given !== undefined && given !== scheme)) {
    throw targetInvalid(text, [works[1], '"direct:///http://10.0.0.5:8000,http://10.0.0.6:8000"']);
  }
  return { kind: "direct", endpoints: endpoints as string[], ...meaning([scheme]) };
}

function meaning(schemes: readonly Scheme[]): Pick<Target, "schemes" | "transport"> {
  return { schemes, transport: schemes[0]!.startsWith("grpc") ? "grpc" : "http" };
}

const hostPortPattern = /^(\[[\da-f:.]+\]|[^:/[\]\s]+):(\d{1,5})$/i;

/** Returns the endpoint that `text` is, with `scheme` added to a `host:port`; undefined when it is not an endpoint. */
function toEndpoint(text: string, scheme: Scheme | undefined): string | undefined {
  const isWhole = /^(grpcs?|https?):\/\/[^/?#\s]+(?:\/[^?#\s]*)?$/i.test(text);
  if (!isWhole && (scheme === undefined || !hostPortPattern.test(text))) return undefined;
  const endpoint = isWhole ? text : `${scheme}://${text}`;
  return isEndpoint(endpoint) ? endpoint : undefined;
}

/** Whether a URL says where to connect: it needs a host, and a port if the scheme has no default port, as those of gRPC. */
export function isEndpoint(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && url.hostname !== "" && (url.port !== "" || url.protocol.startsWith("http"));
}

function schemeOf(endpoint: string): Scheme {
  return endpoint.slice(0, endpoint.indexOf(":")).toLowerCase() as Scheme;
}

function decode(text: string, name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    throw targetInvalid(text, [works[0]]);
  }
}
