const httpNamePattern = /^(GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|QUERY) (\/.*)$/s;

/** A span's name as SkyWalking's agents write it: `GET:/users/{id}` where OpenTelemetry has a space. Never empty. */
export function operationOf(name: string): string {
  const match = httpNamePattern.exec(name);
  if (match !== null) return `${match[1]}:${match[2]}`;
  return name === "" ? "unknown" : name;
}
