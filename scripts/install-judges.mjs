// Installs the programs of others that judge us: Go tools of pinned versions into .tools/bin, Debian packages when we may.
// Quick when everything is there.
//
//     node scripts/install-judges.mjs              all of them
//     node scripts/install-judges.mjs h2spec       those named
//
// A suite's runner asks for what it needs: const { h2spec } = installJudges("h2spec"), the path of the program.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const bin = resolve(import.meta.dirname, "../.tools/bin");
const grpcGo = "v1.76.0";

/**
 * `go`: the package of a command, and its version.
 * `python`: the modules that a Python must have, and the Debian packages that give them to /usr/bin/python3.
 */
const judges = {
  // Its later commits are no tagged versions, and not every module proxy serves them; this one has the 146 cases with --strict.
  h2spec: { go: "github.com/summerwind/h2spec/cmd/h2spec", version: "v2.2.1+incompatible" },
  connectconformance: { go: "connectrpc.com/conformance/cmd/connectconformance", version: "v1.0.5" },
  "grpc-interop-client": { go: "google.golang.org/grpc/interop/client", version: grpcGo },
  "grpc-interop-server": { go: "google.golang.org/grpc/interop/server", version: grpcGo },
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
      return [name, judge.go === undefined ? installPython(name, judge) : installGo(name, judge)];
    }),
  );
}

function installGo(name, { go, version }) {
  const path = join(bin, name);
  const versionPath = `${path}.version`;
  if (existsSync(path) && existsSync(versionPath) && readFileSync(versionPath, "utf8") === version) return path;
  const build = join(bin, `.build-${name}-${process.pid}`);
  mkdirSync(build, { recursive: true });
  try {
    announce(name, `go install ${go}@${version}`, () => {
      try {
        execFileSync("go", ["install", `${go}@${version}`], {
          stdio: ["ignore", "inherit", "inherit"],
          env: { ...process.env, GOBIN: build },
        });
      } catch (error) {
        if (error.code !== "ENOENT") throw new Error(`${name}: go install ${go}@${version} failed`, { cause: error });
        throw new Error(
          `${name} needs the go command, 1.24 or newer (Debian package golang-go), and it is not in PATH`,
        );
      }
    });
    // Renamed into place: another runner never sees half a program.
    renameSync(join(build, readdirSync(build)[0]), path);
    writeFileSync(versionPath, version);
  } finally {
    rmSync(build, { recursive: true, force: true });
  }
  return path;
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
