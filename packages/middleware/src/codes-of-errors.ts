import { kind, listOf, type OptionCheck } from "@clew/options";

export const codesOfErrors: OptionCheck = listOf(
  "a list of error codes, such as [503]",
  // The codes of gRPC are below 400: no error has them as its code here.
  kind("an error code from 400 up, such as 503", (given) => Number.isInteger(given) && (given as number) >= 400),
);

/**
 * The codes of failures that are likely to pass: too many calls, or a server that is unreachable, refuses, or is too
 * slow.
 */
export const passingCodes: readonly number[] = [429, 502, 503, 504];
