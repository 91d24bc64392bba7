import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");
const tools = join(root, ".tools/bin");
const folder = join(root, ".tools/bench-grpc-go");
const grpcGo = "v1.76.0";
const protobufGo = "v1.36.10";
const generatorGo = "v1.5.1";

/** Builds the grpc-go server of bench/peers/grpc-go, once for each version of its sources. Returns its path. */
export function buildGoPeer(): string {
  const binary = join(folder, "server");
  const sources = [join(root, "bench/peers/grpc-go/main.go"), join(root, "bench/proto/bench/v1/bench.proto")];
  const stamp = [grpcGo, protobufGo, ...sources.map((path) => readFileSync(path, "utf8"))].join("\n");
  const stampPath = join(folder, "stamp");
  if (existsSync(binary) && existsSync(stampPath) && readFileSync(stampPath, "utf8") === stamp) return binary;
  console.error("building the grpc-go peer ...");
  mkdirSync(folder, { recursive: true });
  copyFileSync(sources[0]!, join(folder, "main.go"));
  const run = (command: string, ...args: string[]): void => {
    const env = { ...process.env, GOBIN: tools, PATH: `${tools}:${process.env.PATH}` };
    execFileSync(command, args, { cwd: folder, env, stdio: ["ignore", "ignore", "inherit"] });
  };
  run("go", "install", `google.golang.org/protobuf/cmd/protoc-gen-go@${protobufGo}`);
  run("go", "install", `google.golang.org/grpc/cmd/protoc-gen-go-grpc@${generatorGo}`);
  const plugins = ["protoc-gen-go", "protoc-gen-go-grpc"].map((local) => ({ local, out: ".", opt: ["module=bench"] }));
  const template = JSON.stringify({
    version: "v2",
    plugins,
    inputs: [{ directory: "bench/proto", paths: ["bench/proto/bench/v1/bench.proto"] }],
  });
  execFileSync("buf", ["generate", "--template", template, "--output", folder], {
    cwd: root,
    env: { ...process.env, PATH: `${tools}:${process.env.PATH}` },
    stdio: ["ignore", "inherit", "inherit"],
  });
  writeFileSync(
    join(folder, "go.mod"),
    `module bench\n\ngo 1.24\n\nrequire (\n\tgoogle.golang.org/grpc ${grpcGo}\n\tgoogle.golang.org/protobuf ${protobufGo}\n)\n`,
  );
  run("go", "mod", "tidy");
  run("go", "build", "-o", binary, ".");
  writeFileSync(stampPath, stamp);
  return binary;
}
