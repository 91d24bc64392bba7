// Writes the generated code of every .proto here. With --check it writes to a temporary folder and fails if that differs.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

/** Where the code of a definition is that more than one folder imports: one copy, generated there or shipped by a package. */
const homes = {
  "buf/validate/validate": "@bufbuild/protovalidate/gen",
  "errors/errors": "packages/rpc/src/gen",
  "google/api/annotations": "packages/rpc/src/gen",
  "google/api/field_behavior": "packages/transport/src/gen",
  "google/api/httpbody": "packages/transport/src/gen",
  "otlp-metrics": "packages/metrics/test/gen",
};
const httpBody = "proto/google/api/httpbody.proto";
const fieldBehavior = "proto/google/api/field_behavior.proto";

/**
 * Each input folder and where its code goes; `paths` and `exclude` say which of its files are meant, where not all are. With
 * `imports` the files it imports are generated beside it, as in the folder of an app, and not taken from their homes; with `own` these of them.
 */
const targets = [
  {
    input: "proto",
    out: "packages/rpc/src/gen",
    exclude: [
      "proto/grpc",
      "proto/kratos",
      "proto/buf",
      "proto/clew",
      "proto/opentelemetry",
      "proto/skywalking",
      httpBody,
      fieldBehavior,
    ],
  },
  {
    input: "proto",
    out: "packages/transport/src/gen",
    paths: ["proto/grpc", "proto/kratos", "proto/clew", httpBody, fieldBehavior],
  },
  { input: "proto", out: "packages/exporter/src/gen", paths: ["proto/opentelemetry", "proto/skywalking"] },
  ...["config", "exporter", "metrics", "middleware", "rpc", "trace", "transport"].map((name) => ({
    input: `packages/${name}/test/proto`,
    out: `packages/${name}/test/gen`,
  })),
  ...["gateway", "interop", "kratos", "protobuf", "traces"].map((name) => ({
    input: `conformance/${name}/proto`,
    out: `conformance/${name}/gen`,
  })),
  { input: "bench/proto", out: "bench/src/gen" },
  { input: "examples/traces/proto", out: "examples/traces/src/gen", imports: true },
  {
    input: ".",
    out: "examples/shop/src/gen",
    // As `imports`, but for what a package ships.
    paths: [
      "examples/shop/proto/shop",
      "proto/errors",
      "proto/google/api/annotations.proto",
      "proto/google/api/http.proto",
      httpBody,
    ],
    own: ["errors/errors", "google/api/annotations", "google/api/httpbody"],
  },
];

/** The options for protoc-gen-es by which code in `out` imports what has its home elsewhere. */
function importsFromHomes(out, own) {
  return Object.entries(homes)
    .filter(([name, home]) => home !== out && !own.includes(name))
    .map(([name, home]) => `rewrite_imports=./${name}_pb.js:${home.startsWith("@") ? home : relative(out, home)}`);
}

const check = process.argv.includes("--check");
const base = check ? mkdtempSync(join(tmpdir(), "generate-")) : ".";

for (const { input, out, imports = false, own = [], paths = [], exclude = [] } of targets) {
  const template = {
    version: "v2",
    plugins: [
      {
        local: "protoc-gen-es",
        out: join(base, out),
        opt: [
          "target=ts",
          "import_extension=ts",
          "erasable_syntax=true",
          "json_types=true",
          ...(imports ? [] : importsFromHomes(out, own)),
        ],
        include_imports: imports,
      },
    ],
    inputs: [{ directory: input, paths, exclude_paths: exclude }],
  };
  if (!check) rmSync(out, { recursive: true, force: true });
  execFileSync("buf", ["generate", "--template", JSON.stringify(template)], { stdio: "inherit" });
  if (check) {
    try {
      execFileSync("diff", ["-r", out, join(base, out)], { stdio: "inherit" });
    } catch {
      console.error(`${out} is not what ${input} generates: run npm run generate`);
      process.exitCode = 1;
    }
  }
}
if (check) rmSync(base, { recursive: true });
