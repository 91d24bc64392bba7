// What every transport has to do, whatever is between its two ends.

import { describe } from "node:test";
import { testCalls } from "./transport-calls.contract.ts";
import { testEnd } from "./transport-end.contract.ts";
import { testErrors } from "./transport-errors.contract.ts";
import { testMetadata } from "./transport-metadata.contract.ts";
import { testStreams } from "./transport-streams.contract.ts";
import type { TransportUnderTest } from "./transport-under-test.ts";

/** Runs the suite against a transport. */
export function testTransport(name: string, transport: TransportUnderTest): void {
  describe(name, () => {
    testCalls(transport);
    testErrors(transport);
    testMetadata(transport);
    testEnd(transport);
    if (transport.streams) testStreams(transport);
  });
}
