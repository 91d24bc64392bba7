import { anObject, aText, checkOptions, checkValue, type OptionChecks } from "@clew/options";
import { optionError } from "./errors.ts";
import type { Source } from "./source.ts";
import { createVariablesLayer } from "./variables.ts";

export interface EnvOptions {
  /** The variables to read. Default: process.env. */
  variables?: Readonly<Record<string, string | undefined>>;
}

const optionChecks: OptionChecks<EnvOptions> = { variables: anObject };

/**
 * Reads environment variables. `SERVER_HTTP_ADDR` sets `server.http.addr`; upper and lower case do not matter. A variable is
 * first matched against the keys that earlier sources or the schema have: `SERVER_READ_TIMEOUT` sets `server.readTimeout` or
 * `server.read_timeout` if such a key exists. `HOSTS_0` is the first item of the list `hosts`.
 *
 * With a prefix (`env("USER_")`), every variable that begins with it sets a key. If no key matches, each `_` begins a new level,
 * or each `__` if the name contains one: `USER_SERVER__READ_TIMEOUT` makes `server.read_timeout`. Without a prefix, a variable
 * sets only a key that exists, and the variables that every environment has (PATH, HOME, USER ...) never set one.
 *
 * A value is text, unless the schema or the value that it replaces is a number, a boolean or a list; the items of a list are
 * separated by commas. Placeholders find variables by their name without the prefix.
 *
 * @throws CLEW_CONFIG_OPTION
 */
export function env(prefix = "", options: EnvOptions = {}): Source {
  checkValue("prefix", prefix, aText, optionError);
  checkOptions("env", options, optionChecks, optionError);
  return {
    name: prefix === "" ? "environment" : `environment ${prefix}*`,
    load: async () =>
      createVariablesLayer({
        prefix,
        variables: { ...(options.variables ?? process.env) },
        placeOf: (variable) => `environment variable ${variable}`,
      }),
  };
}
