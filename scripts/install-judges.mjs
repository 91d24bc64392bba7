// Installs the programs of others that judge us: Go tools of pinned versions into .tools/bin, Debian packages when we may.
// Quick when everything is there.
//
//     node scripts/install-judges.mjs              all of them
//     node scripts/install-judges.mjs h2spec       those named
//
// A suite's runner asks for what it needs: const { h2spec } = installJudges("h2spec"), the path of the program.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const bin = join(root, ".tools/bin");
const grpcGo = "v1.76.0";

/**
 * `go`: the package of a command, and its version.
 * `goFolder`: a command of this repository; beside it is what `proto` generates with `plugins`, judges as well, and their options.
 * `goModule`: a Go module that has to be built by its own go.mod, its version, and the package of its command.
 * `npm`: a folder of this repository whose package.json pins what is installed; the path is that of the folder with it.
 * `pip`: Python packages of pinned versions; the path is that of the folder with them, for PYTHONPATH.
 * `maven`: a jar.
 * `mavenFolder`: a folder of this repository whose pom.xml pins what is needed; the path is that of the folder with the jars.
 * `python`: the modules that a Python must have, and the Debian packages that give them to /usr/bin/python3.
 */
const judges = {
  // Its later commits are no tagged versions, and not every module proxy serves them; this one has the 146 cases with --strict.
  h2spec: { go: "github.com/summerwind/h2spec/cmd/h2spec", version: "v2.2.1+incompatible" },
  connectconformance: { go: "connectrpc.com/conformance/cmd/connectconformance", version: "v1.0.5" },
  "grpc-interop-client": { go: "google.golang.org/grpc/interop/client", version: grpcGo },
  "grpc-interop-server": { go: "google.golang.org/grpc/interop/server", version: grpcGo },
  "protoc-gen-go": { go: "google.golang.org/protobuf/cmd/protoc-gen-go", version: "v1.36.10" },
  "protoc-gen-go-grpc": { go: "google.golang.org/grpc/cmd/protoc-gen-go-grpc", version: "v1.5.1" },
  "kratos-peer": {
    goFolder: "conformance/kratos/peer",
    proto: "conformance/kratos/proto",
    plugins: {
      "protoc-gen-go": [
        "module=kratos-peer",
        "Mbuf/validate/validate.proto=buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate",
      ],
      "protoc-gen-go-grpc": ["module=kratos-peer"],
    },
  },
  "kratos-streams-peer": { goFolder: "conformance/kratos-streams/peer" },
  "protoc-gen-grpc-gateway": {
    go: "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-grpc-gateway",
    version: "v2.27.3",
  },
  "gateway-peer": {
    goFolder: "conformance/gateway/peer",
    proto: "conformance/gateway/proto",
    plugins: {
      "protoc-gen-go": ["module=gateway-peer"],
      "protoc-gen-go-grpc": ["module=gateway-peer"],
      "protoc-gen-grpc-gateway": ["module=gateway-peer"],
    },
  },
  // A minute on two cores; its versions are Jaeger's, whose go.sum vouches for them.
  "otel-collector": { goFolder: "conformance/collector/peer" },
  "traces-peer-go": { goFolder: "conformance/traces/peers/go" },
  "traces-peer-js": { npm: "conformance/traces/peers/js" },
  "skywalking-oap": { mavenFolder: "conformance/skywalking/oap" },
  kafka: { mavenFolder: "conformance/skywalking/kafka" },
  kafkajs: { npm: "conformance/skywalking/kafkajs" },
  "skywalking-peer-js": { npm: "conformance/skywalking/peers/js" },
  "skywalking-peer-go": { goFolder: "conformance/skywalking/peers/go" },
  // 1.3.0 was published without its generated code, and does not start.
  "skywalking-peer-python": {
    pip: ["apache-skywalking==1.2.0", "grpcio==1.71.2", "grpcio-tools==1.71.2", "protobuf==5.29.5", "wrapt==1.17.3"],
  },
  "traces-peer-python": {
    pip: [
      "grpcio==1.85.1",
      "opentelemetry-sdk==1.45.2",
      "opentelemetry-exporter-otlp-proto-http==1.45.2",
      "opentelemetry-exporter-otlp-proto-grpc==1.45.2",
    ],
  },
  // It wants a protobuf that the others do not.
  "traces-peer-python-zipkin": {
    pip: ["grpcio==1.85.1", "opentelemetry-sdk==1.45.2", "opentelemetry-exporter-zipkin-proto-http==1.45.1"],
  },
  // Its go.mod replaces modules, which go install refuses; five minutes on two cores.
  jaeger: { goModule: "github.com/jaegertracing/jaeger", version: "v1.76.0", command: "./cmd/jaeger" },
  zipkin: { maven: "io.zipkin:zipkin-server:3.6.1:jar:exec" },
  prometheus: { program: "prometheus", apt: ["prometheus"] },
  promtool: { program: "promtool", apt: ["prometheus"] },
  "python-grpc": { python: ["grpc", "google.protobuf"], apt: ["python3-grpcio", "python3-protobuf"] },
};

/**
 * Installs judges that are missing or of another version. Returns the path of each by its name.
 *
 * @throws Error that names what is missing and how to get it.
 */
export function installJudges(...names) {
  const wanted = names.length === 0 ? Object.keys(judges) : names;
  return Object.fromEntries(
    wanted.map((name) => {
      const judge = judges[name];
      if (judge === undefined) throw new Error(`no judge "${name}"; there are ${Object.keys(judges).join(", ")}`);
      if (judge.goFolder !== undefined) return [name, buildGo(name, judge)];
      if (judge.goModule !== undefined) return [name, buildGoModule(name, judge)];
      if (judge.npm !== undefined) return [name, installNpm(name, judge)];
      if (judge.pip !== undefined) return [name, installPip(name, judge)];
      if (judge.program !== undefined) return [name, installDebian(name, judge)];
      if (judge.mavenFolder !== undefined) return [name, installMavenFolder(name, judge)];
      if (judge.maven !== undefined) return [name, installMaven(name, judge)];
      return [name, judge.go === undefined ? installPython(name, judge) : installGo(name, judge)];
    }),
  );
}

function installGo(name, { go, version }) {
  return installOnce(name, version, (build) => {
    runGo(name, ["install", `${go}@${version}`], { env: { ...process.env, GOBIN: build } });
    return readdirSync(build)[0];
  });
}

/** Builds a command of this repository, once for each version of its sources. */
function buildGo(name, { goFolder, proto, plugins = {} }) {
  const installed = proto === undefined ? {} : installJudges(...Object.keys(plugins));
  const hash = createHash("sha256");
  for (const [plugin, options] of Object.entries(plugins))
    hash.update(`${plugin} ${judges[plugin].version} ${options}\n`);
  for (const folder of proto === undefined ? [goFolder] : [goFolder, proto]) {
    for (const file of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (file.isFile()) hash.update(`${file.name}\n`).update(readFileSync(join(file.parentPath, file.name)));
    }
  }
  return installOnce(name, hash.digest("hex"), (build) => {
    cpSync(join(root, goFolder), build, { recursive: true });
    if (proto !== undefined) generateGo(build, proto, plugins, installed);
    runGo(name, ["build", "-buildvcs=false", "-o", `${build}/${name}`, "."], { cwd: build });
    return name;
  });
}

/** Builds a command of a module in a copy of its sources, as its own go.mod and go.sum say. */
function buildGoModule(name, { goModule, version, command }) {
  return installOnce(name, version, (build) => {
    const told = execFileSync("go", ["mod", "download", "-json", `${goModule}@${version}`], { encoding: "utf8" });
    const sources = join(build, "sources");
    // The copy is as read-only as the module cache is.
    cpSync(JSON.parse(told).Dir, sources, { recursive: true });
    execFileSync("chmod", ["-R", "u+w", sources]);
    const env = { ...process.env, GOFLAGS: "-mod=mod" };
    runGo(name, ["build", "-buildvcs=false", "-o", join(build, name), command], { cwd: sources, env });
    return name;
  });
}

function installNpm(name, { npm }) {
  const hash = createHash("sha256");
  for (const file of readdirSync(join(root, npm))) hash.update(`${file}\n`).update(readFileSync(join(root, npm, file)));
  return installOnce(name, hash.digest("hex"), (build) => {
    cpSync(join(root, npm), join(build, name), { recursive: true });
    const args = ["install", "--no-audit", "--no-fund", "--loglevel=error"];
    execFileSync("npm", args, { cwd: join(build, name), stdio: ["ignore", "ignore", "inherit"] });
    return name;
  });
}

/** A program of a Debian package, wherever it is in the path; as root it is installed. */
function installDebian(name, { program, apt }) {
  const find = () => spawnSync("sh", ["-c", `command -v ${program}`], { encoding: "utf8" }).stdout.trim();
  const install = ["install", "-y", "--no-install-recommends", ...apt];
  if (find() === "" && process.getuid?.() === 0) {
    for (const args of [["update"], install])
      execFileSync("apt-get", ["-q", ...args], { stdio: ["ignore", "ignore", "inherit"] });
  }
  const path = find();
  if (path === "") throw new Error(`${name} is missing: as root, apt-get ${install.join(" ")}`);
  return path;
}

function installPip(name, { pip }) {
  return installOnce(name, pip.join("\n"), (build) => {
    const args = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore"];
    execFileSync("python3", [...args, "--target", join(build, name), ...pip], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    return name;
  });
}

function installMaven(name, { maven }) {
  return installOnce(name, maven, (build) => {
    const args = ["-q", "-B", "dependency:copy", `-Dartifact=${maven}`, `-DoutputDirectory=${build}`];
    execFileSync("mvn", args, { stdio: ["ignore", "inherit", "inherit"] });
    return readdirSync(build)[0];
  });
}

function installMavenFolder(name, { mavenFolder }) {
  const pom = join(root, mavenFolder, "pom.xml");
  const version = createHash("sha256").update(readFileSync(pom)).digest("hex");
  return installOnce(name, version, (build) => {
    const args = ["-q", "-B", "-f", pom, "dependency:copy-dependencies", `-DoutputDirectory=${join(build, name)}`];
    execFileSync("mvn", args, { stdio: ["ignore", "inherit", "inherit"] });
    return name;
  });
}

/**
 * Makes what `install` makes in the folder it is given, and whose name there it returns, unless this version is there already. It is
 * renamed into place: another runner never sees half a program.
 */
function installOnce(name, version, install) {
  const path = join(bin, name);
  const versionPath = `${path}.version`;
  if (existsSync(path) && existsSync(versionPath) && readFileSync(versionPath, "utf8") === version) return path;
  const build = join(bin, `.build-${name}-${process.pid}`);
  mkdirSync(build, { recursive: true });
  try {
    announce(name, version, () => {
      const made = install(build);
      rmSync(path, { recursive: true, force: true });
      renameSync(join(build, made), path);
    });
    writeFileSync(versionPath, version);
  } finally {
    rmSync(build, { recursive: true, force: true });
  }
  return path;
}

function generateGo(build, proto, plugins, installed) {
  const template = {
    version: "v2",
    plugins: Object.entries(plugins).map(([plugin, opt]) => ({ local: installed[plugin], out: ".", opt })),
    inputs: [{ directory: proto }],
  };
  const buf = createRequire(import.meta.url).resolve("@bufbuild/buf/bin/buf");
  execFileSync(process.execPath, [buf, "generate", "--template", JSON.stringify(template), "--output", build], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
}

function runGo(name, args, options) {
  try {
    execFileSync("go", args, { stdio: ["ignore", "inherit", "inherit"], ...options });
  } catch (error) {
    if (error.code !== "ENOENT") throw new Error(`${name}: go ${args.join(" ")} failed`, { cause: error });
    throw new Error(`${name} needs the go command, 1.24 or newer (Debian package golang-go), and it is not in PATH`);
  }
}

function installPython(name, { python, apt }) {
  const code = `import sys, ${python.join(", ")}; print(sys.executable)`;
  const find = () => {
    for (const command of ["/usr/bin/python3", "python3"]) {
      const { status, stdout } = spawnSync(command, ["-c", code], { encoding: "utf8" });
      if (status === 0) return stdout.trim();
    }
  };
  const found = find();
  if (found !== undefined) return found;
  const install = ["install", "-y", "--no-install-recommends", ...apt];
  if (process.getuid() === 0) {
    announce(name, `apt-get ${install.join(" ")}`, () => {
      const run = (args) => spawnSync("apt-get", args, { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });
      // The lists of an image that was just made are empty or old.
      if (run(install).status !== 0 && run(["update"]).status === 0) run(install);
    });
  }
  const installed = find();
  if (installed !== undefined) return installed;
  throw new Error(`${name} needs a python3 with ${python.join(" and ")}: as root, apt-get ${install.join(" ")}`);
}

function announce(name, what, work) {
  const start = performance.now();
  console.error(`installing ${name}: ${what}`);
  work();
  console.error(`installed ${name} in ${((performance.now() - start) / 1000).toFixed(1)} s`);
}

if (process.argv[1] === import.meta.filename) {
  try {
    for (const [name, path] of Object.entries(installJudges(...process.argv.slice(2)))) console.log(`${name} ${path}`);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
