// What the suites of cases have in common: how a case is run, and how a run is held to the file of its known failures.
import { readFileSync } from "node:fs";

/** How a case ended; `failure` says why it failed. */
export async function runCase({ name, run }) {
  const failure = await run().then(
    () => undefined,
    (error) =>
      String(error.message ?? error)
        .replaceAll(/\s+/g, " ")
        .slice(0, 600),
  );
  return { name, failure };
}

/**
 * Prints the cases of a suite, and what is not as its file of known failures says, a name a line; true when there is nothing of that.
 * `isWhole`: no case was left out.
 */
export function compareWithKnown(file, results, isWhole) {
  for (const { name, failure } of results) console.log(failure === undefined ? `ok      ${name}` : `FAILED  ${name}`);
  const known = new Set(
    readFileSync(file, "utf8")
      .split("\n")
      .map((line) => line.replace(/#.*/, "").trim())
      .filter((line) => line !== ""),
  );
  let isAsClaimed = true;
  const complain = (text) => {
    isAsClaimed = false;
    console.error(text);
  };
  for (const { name, failure } of results) {
    if (failure !== undefined && !known.has(name)) complain(`${name}: ${failure}`);
    if (failure === undefined && known.has(name)) complain(`${name} passes: take it out of known-failures.txt`);
  }
  const names = new Set(results.map(({ name }) => name));
  for (const name of known) if (isWhole && !names.has(name)) complain(`there is no case "${name}"`);
  const passed = results.filter(({ failure }) => failure === undefined).length;
  console.log(`${passed} of ${results.length} pass`);
  return isAsClaimed;
}
