import {
  anObject,
  aText,
  isObject,
  listOf,
  type OptionCheck,
  type OptionChecks,
  optionsWith,
  recordOf,
} from "@clew/options";
import type { OpenApiContact, OpenApiInfo, OpenApiLicense, OpenApiServer, OpenApiServerVariable } from "./document.ts";

const aContact = partOf<OpenApiContact>({ name: aText, url: aText, email: aText });

const aLicense = partOf<OpenApiLicense>({ name: aText, identifier: aText, url: aText }, "name");

/** What a document's `info` may have; what it needs and is not given has a default. */
export const someInfo: OptionCheck = partOf<OpenApiInfo>({
  title: aText,
  version: aText,
  summary: aText,
  description: aText,
  termsOfService: aText,
  contact: aContact,
  license: aLicense,
});

const aServerVariable = partOf<OpenApiServerVariable>(
  { default: aText, enum: listOf("a list of strings", aText), description: aText },
  "default",
);

export const someServers: OptionCheck = listOf(
  "a list of servers",
  partOf<OpenApiServer>(
    { url: aText, description: aText, variables: recordOf("variables by name", aServerVariable) },
    "url",
  ),
);

/** A part of a document that is written into it as it is given. Names that begin with `x-` are a tool's: it may have any of them. */
function partOf<T extends object>(checks: OptionChecks<T>, needed?: keyof T & string): OptionCheck {
  const check = optionsWith(checks);
  return (name, given) => {
    if (!isObject(given)) return anObject(name, given);
    const known = Object.fromEntries(Object.entries(given).filter(([field]) => !field.startsWith("x-")));
    const wrong = check(name, known);
    if (wrong !== undefined || needed === undefined) return wrong;
    return checks[needed](`${name}.${needed}`, known[needed]);
  };
}
