import { chainCases } from "./chain-cases.ts";
import { deadlineCases } from "./deadline-cases.ts";
import { errorCases, tokenCases } from "./error-cases.ts";
import { fieldCases } from "./field-cases.ts";
import { grpcCases } from "./grpc-cases.ts";
import type { Case } from "./pair.ts";
import { ruleCases } from "./rule-cases.ts";

/** What is asked of each pair of peers. */
export const cases: readonly Case[] = [
  ...ruleCases,
  ...fieldCases,
  ...errorCases,
  ...tokenCases,
  ...chainCases,
  ...deadlineCases,
  ...grpcCases,
];
