// The ways in which our exporters send.
import type { OtlpOptions, OtlpProtocol } from "@clew/exporter";

export interface Case {
  readonly name: string;
  run(): Promise<void>;
}

export interface Way {
  readonly protocol: OtlpProtocol;
  readonly compression: "gzip" | "none";
}

export const protocols = ["http/protobuf", "http/json", "grpc"] as const;

export const ways: readonly Way[] = protocols.flatMap((protocol) =>
  (["none", "gzip"] as const).map((compression) => ({ protocol, compression })),
);

export function nameOf({ protocol, compression }: Way): string {
  return compression === "gzip" ? `${protocol} with gzip` : protocol;
}

/** Where a Collector takes OTLP. */
export interface Ports {
  readonly http: number;
  readonly grpc: number;
}

export function optionsTo(ports: Ports, { protocol, compression }: Way): OtlpOptions {
  const endpoint = `http://127.0.0.1:${protocol === "grpc" ? ports.grpc : ports.http}`;
  return { protocol, compression, endpoint, env: {} };
}
