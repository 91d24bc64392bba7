// Writes the generated code of every .proto here. With --check it writes to a temporary folder and fails if that differs.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const httpBody = "proto/google/api/httpbody.proto";
const fieldBehavior = "proto/google/api/field_behavior.proto";

/**
 * Each input folder, where its code goes, and whether the files it imports are generated beside it; `paths` and `exclude` say
 * which of its files are meant, where not all are.
 */
const targets = [
  { input: "packages/rpc/test/proto", out: "packages/rpc/test/gen", imports: true },
  {
    input: "proto",
    out: "packages/rpc/src/gen",
    imports: false,
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
    imports: false,
    paths: ["proto/grpc", "proto/kratos", "proto/clew", "proto/buf", httpBody, fieldBehavior],
  },
  {
    input: "proto",
    out: "packages/exporter/src/gen",
    imports: false,
    paths: ["proto/opentelemetry", "proto/skywalking"],
  },
  { input: "packages/transport/test/proto", out: "packages/transport/test/gen", imports: true },
  { input: "packages/trace/test/proto", out: "packages/trace/test/gen", imports: true },
  { input: "packages/metrics/test/proto", out: "packages/metrics/test/gen", imports: true },
  { input: "packages/exporter/test/proto", out: "packages/exporter/test/gen", imports: true },
  { input: "packages/config/test/proto", out: "packages/config/test/gen", imports: false },
  { input: "packages/middleware/test/proto", out: "packages/middleware/test/gen", imports: true },
  { input: "examples/traces/proto", out: "examples/traces/src/gen", imports: true },
  { input: "bench/proto", out: "bench/src/gen", imports: true },
  { input: "conformance/interop/proto", out: "conformance/interop/gen", imports: true },
  { input: "conformance/protobuf/proto", out: "conformance/protobuf/gen", imports: true },
  { input: "conformance/kratos/proto", out: "conformance/kratos/gen", imports: true },
  { input: "conformance/traces/proto", out: "conformance/traces/gen", imports: true },
  { input: "conformance/gateway/proto", out: "conformance/gateway/gen", imports: true },
];
const check = process.argv.includes("--check");
const base = check ? mkdtempSync(join(tmpdir(), "generate-")) : ".";

for (const { input, out, imports, paths = [], exclude = [] } of targets) {
  const template = {
    version: "v2",
    plugins: [
      {
        local: "protoc-gen-es",
        out: join(base, out),
        opt: ["target=ts", "import_extension=ts", "erasable_syntax=true", "json_types=true"],
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
