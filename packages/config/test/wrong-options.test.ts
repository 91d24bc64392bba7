// What a developer gets wrong is told when a configuration is loaded, with the option's name and what would work.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ConfigOptions, env, file, flags, loadConfig } from "@clew/config";

test("options that are wrong", async () => {
  const needsSources = /it must be a list of sources, such as \[file\("config\.yaml"\), env\("APP_"\)\]/;
  const cases: [unknown, RegExp][] = [
    [undefined, RegExp(`^option sources is undefined; ${needsSources.source}`)],
    [null, needsSources],
    [{}, RegExp(`^option sources is undefined; ${needsSources.source}`)],
    [[env()], needsSources],
    ["config.yaml", needsSources],
    [{ sources: "config.yaml" }, RegExp(`^option sources is "config\\.yaml"; ${needsSources.source}`)],
    [{ sources: env() }, RegExp(`^option sources is an object; ${needsSources.source}`)],
    [{ sources: ["config.yaml"] }, /^option sources\[0\] is "config\.yaml"; it must be a source, such as file\(/],
    [{ sources: [env(), file] }, /^option sources\[1\] is a function; it must be a source/],
    [{ sources: [undefined] }, /^option sources\[0\] is undefined; it must be a source/],
    [
      { source: [env()] },
      /^loadConfig has no option source; its options are sources, schema, strict, logger, onError; did you mean sources\?$/,
    ],
    [{ sources: [], schema: {} }, /^option schema is an object; it must be a schema, made by schemaOf/],
    [{ sources: [], strict: "no" }, /^option strict is "no"; it must be true or false$/],
    [{ sources: [], logger: {} }, /^option logger is an object; it must be a logger, which has warn\(\)$/],
    [{ sources: [], onError: "throw" }, /^option onError is "throw"; it must be a function$/],
  ];
  for (const [options, message] of cases) {
    const loading = loadConfig(options as ConfigOptions<unknown>);
    await assert.rejects(loading, { code: "CLEW_CONFIG_OPTION", message }, JSON.stringify(options));
  }
});

test("a source with wrong options is told when it is made", () => {
  const cases: [() => unknown, string][] = [
    [() => file(undefined as never), "option path is undefined; it must be a string"],
    [
      () => file("config.yaml", { optonal: true } as never),
      "file has no option optonal; its options are optional, prefix; did you mean optional?",
    ],
    [() => file("config.yaml", { optional: "yes" } as never), 'option optional is "yes"; it must be true or false'],
    [() => env({ variables: {} } as never), "option prefix is an object; it must be a string"],
    [() => env("", { variables: "A=1" } as never), 'option variables is "A=1"; it must be an object'],
    [() => flags(["--a=1"] as never), "the options of flags are a list; they must be an object with any of args, own"],
    [() => flags({ own: "conf" } as never), 'option own is "conf"; it must be a list of names'],
  ];
  for (const [make, message] of cases) assert.throws(make, { code: "CLEW_CONFIG_OPTION", message });
});
