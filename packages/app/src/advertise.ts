import { advertiseInvalid } from "./errors.ts";

/**
 * Reads the option `advertise`. Returns a function that turns the endpoints of the servers into the endpoints that
 * callers are given.
 *
 * @throws CLEW_APP_OPTION
 */
export function readAdvertise(
  option: string | readonly (string | URL)[] | undefined,
  variables: Readonly<Record<string, string | undefined>>,
): (endpoints: readonly URL[]) => readonly URL[] {
  if (option === undefined) return (endpoints) => endpoints;
  if (typeof option !== "string") {
    if (option.length === 0)
      throw advertiseInvalid("an empty list", "leave it out to advertise the servers' own endpoints");
    const urls = option.map(readUrl);
    return () => urls;
  }
  const text = option.startsWith("$") ? readVariable(option.slice(1), variables) : option;
  if (text.includes("://")) {
    const urls = [readUrl(text)];
    return () => urls;
  }
  const host = readHost(text);
  return (endpoints) => endpoints.map((endpoint) => withHost(endpoint, host));
}

function readVariable(name: string, variables: Readonly<Record<string, string | undefined>>): string {
  const text = variables[name];
  if (text === undefined || text === "") {
    throw advertiseInvalid(`$${name}`, `the environment variable ${name} is not set: set it, or advertise a host`);
  }
  return text;
}

function readUrl(given: string | URL): URL {
  const url = URL.parse(String(given));
  if (url !== null && url.host !== "") return url;
  throw advertiseInvalid(JSON.stringify(String(given)), 'it must be a URL such as "grpc://10.0.0.5:9000"');
}

/** Returns a host as it is written in URLs: IPv6 in brackets. */
function readHost(text: string): string {
  const host = text.includes(":") && !text.startsWith("[") ? `[${text}]` : text;
  if (/[/?#@\s]/.test(host) || URL.parse(`http://${host}:1`)?.port !== "1") {
    const example = 'a host such as "10.0.0.5", "$POD_IP" for what that environment variable holds, or whole URLs';
    throw advertiseInvalid(JSON.stringify(text), `it must be ${example}`);
  }
  return host;
}

function withHost(endpoint: URL, host: string): URL {
  // A URL does not let us set the host of grpc://; a unix socket has no host.
  if (endpoint.host === "") return endpoint;
  const { protocol, port, pathname, search } = endpoint;
  return new URL(`${protocol}//${host}${port === "" ? "" : `:${port}`}${pathname}${search}`);
}
