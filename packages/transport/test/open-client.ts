import type { TestContext } from "node:test";
import type { DescService } from "@bufbuild/protobuf";
import type { ServiceClient } from "@clew/rpc";
import { type ClientOptions, createClient } from "@clew/transport";
import { patientMs } from "./patient-ms.ts";

/** A client that is closed when its test is over. */
export function openClient<S extends DescService>(t: TestContext, desc: S, options: ClientOptions): ServiceClient<S> {
  const client = createClient(desc, { timeoutMs: patientMs, ...options });
  t.after(() => client[Symbol.asyncDispose]());
  return client;
}
