import type { TextMapPropagator } from "@opentelemetry/api";
import { type Environment, readWords, warnOfVariable } from "./environment.ts";
import { JaegerPropagator } from "./jaeger/propagator.ts";
import { GrpcTraceBinPropagator } from "./opencensus/propagator.ts";
import { BaggagePropagator, CompositePropagator, createPropagator, TraceContextPropagator } from "./otel/propagator.ts";
import { SkyWalkingPropagator } from "./skywalking/propagator.ts";
import { XRayPropagator } from "./xray/propagator.ts";
import { B3Propagator } from "./zipkin/propagator.ts";

/** By the words of OTEL_PROPAGATORS. */
const makers: Readonly<Record<string, (env: Environment) => TextMapPropagator>> = {
  tracecontext: () => new TraceContextPropagator(),
  baggage: () => new BaggagePropagator(),
  b3: () => new B3Propagator(),
  b3multi: () => new B3Propagator({ inject: "multi" }),
  jaeger: () => new JaegerPropagator(),
  xray: () => new XRayPropagator(),
  "grpc-trace-bin": () => new GrpcTraceBinPropagator(),
  // Behind W3C's, where both are named: it adds to that parent what SkyWalking tells of it.
  sw8: (env) => new SkyWalkingPropagator({ env }),
};

/**
 * Creates the propagators that OTEL_PROPAGATORS names, `tracecontext,baggage` if it names none. All of them write headers. If several
 * find a caller, the last one wins. `none` among others, and unknown words, cause one warning and are ignored.
 */
export function propagatorFromEnv(env: Environment = process.env): TextMapPropagator {
  const words = readWords(env, "OTEL_PROPAGATORS");
  if (words === undefined) return createPropagator();
  if (words.length === 1 && words[0] === "none") return new CompositePropagator([]);
  const known = words.filter((word) => Object.hasOwn(makers, word));
  if (known.length < words.length) {
    const held = known.length === 0 ? "tracecontext,baggage" : known.join(",");
    const accepted = `${Object.keys(makers).join(", ")}, or none alone`;
    warnOfVariable("OTEL_PROPAGATORS", env.OTEL_PROPAGATORS ?? "", accepted, held);
  }
  return known.length === 0 ? createPropagator() : new CompositePropagator(known.map((word) => makers[word]!(env)));
}
