import { kind, listOf, type OptionCheck } from "@clew/options";

export const codesOfErrors: OptionCheck = listOf(
  "a list of the codes of errors, such as [503]",
  // Those of gRPC are below, and no error has them here.
  kind(
    "the code of an error, from 400 up, such as 503",
    (given) => Number.isInteger(given) && (given as number) >= 400,
  ),
);

/** The codes of failures that pass: too many calls, or a server that is not there, does not accept or is late. */
export const passingCodes: readonly number[] = [429, 502, 503, 504];
