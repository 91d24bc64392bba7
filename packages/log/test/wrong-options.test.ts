import assert from "node:assert/strict";
import { test } from "node:test";
import { caller, createLogger, logLevelRoute, timestamp } from "@clew/log";

test("a wrong option is an error where it is given", () => {
  const cases: [() => unknown, RegExp][] = [
    [() => createLogger({ nam: "shop" } as object), /^createLogger has no option nam; .*; did you mean name\?$/],
    [
      () => logLevelRoute({ pth: "/x" } as object),
      /^logLevelRoute has no option pth; its options are path, levels; did you/,
    ],
    [() => logLevelRoute({ path: 5 } as object), /^option path is 5; it must be a string$/],
    [
      () => logLevelRoute({ levels: {} } as object),
      /^option levels is an object; it must be levels such as logLevels,/,
    ],
    [() => logLevelRoute("/log" as never), /^the options of logLevelRoute are "\/log"; they must be an object with/],
    [() => caller({ skips: /x/ } as object), /^caller has no option skips; its options are skip; did you mean skip\?$/],
    [() => caller({ skip: "my-logger" } as object), /^option skip is "my-logger"; it must be an expression, such as/],
    [
      () => timestamp("unixus" as "unix"),
      /^option format is "unixus"; it must be "iso", "unix", "unixms", "unixns" or/,
    ],
  ];
  for (const [make, message] of cases) assert.throws(make, { code: "CLEW_LOG_OPTION", message });
});
