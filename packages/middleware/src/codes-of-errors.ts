import { kind, listOf, type OptionCheck } from "@clew/options";

export const codesOfErrors: OptionCheck = listOf(
  "a list of the codes of errors, such as [503]",
  // Those of gRPC are below, and no error has them here.
  kind(
    "the code of an error, from 400 up, such as 503",
    (given) => Number.isInteger(given) && (given as number) >= 400,
  ),
);
