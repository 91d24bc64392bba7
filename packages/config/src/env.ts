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
 * Environment variables. `SERVER_HTTP_ADDR` sets `server.http.addr`; upper and lower case are the same, and the keys that the
 * sources before this one or the schema have are matched first: `SERVER_READ_TIMEOUT` sets `server.readTimeout` or
 * `server.read_timeout` if there is one. `HOSTS_0` is the first item of the list `hosts`.
 *
 * With a prefix (`env("USER_")`), every variable that begins with it sets a key; where no key matches, each `_` begins a new
 * level, or each `__` if there is one: `USER_SERVER__READ_TIMEOUT` makes `server.read_timeout`. Without a prefix only keys that
 * are known are set, and never by what every environment has (PATH, HOME, USER ...).
 *
 * A value is text, unless the schema or what it replaces tells that it is a number, a boolean or a list, with commas between its
 * items. Placeholders find variables by their name without the prefix.
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
