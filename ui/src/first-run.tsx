import type { JSX } from "preact";
import { CopyButton } from "./copy-button.tsx";

/** Where OTLP over HTTP arrives, seen from this browser: the collector's host, OTLP's port. */
function otlpEndpoint(): string {
  return `http://${location.hostname}:4318`;
}

/** What a user sees before the first trace: how to send it. */
export function FirstRun(): JSX.Element {
  const lines = [
    `export OTEL_EXPORTER_OTLP_ENDPOINT=${otlpEndpoint()}`,
    "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
    "export OTEL_SERVICE_NAME=my-service",
  ];
  return (
    <section class="first-run">
      <h1>
        <span class="pulse" aria-hidden="true" /> Waiting for the first trace
      </h1>
      <p>
        Start a service with these lines in its environment. Any OpenTelemetry SDK understands them, and so does Clew.
        The trace appears here by itself.
      </p>
      <div class="code-block">
        <pre>
          {lines.map((line) => {
            const [name, value] = line.split("=");
            return (
              <span key={line}>
                {name}=<b>{value}</b>
                {"\n"}
              </span>
            );
          })}
        </pre>
        <CopyButton text={`${lines.join("\n")}\n`} label="Copy the lines">
          Copy
        </CopyButton>
      </div>
      <p class="dim">
        Nothing has arrived so far. What arrives is kept on the collector's disk and survives a restart.
      </p>
    </section>
  );
}
