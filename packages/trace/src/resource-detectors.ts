import { readFileSync } from "node:fs";
import { arch, hostname, release, type as systemName, userInfo, version } from "node:os";
import { type Environment, readWords, warnOfVariable } from "./environment.ts";

/** Where a detector looks: the variables and the files of this process. */
export interface Surroundings {
  readonly env: Environment;
  /** The text of a file, undefined when there is none. Small files of the system only: it does not wait. */
  readFile(path: string): string | undefined;
}

/** What a detector found, by the names of OpenTelemetry's conventions; undefined is nothing. */
export type DetectedAttributes = Readonly<Record<string, unknown>>;

/** The detectors by their words in OTEL_NODE_RESOURCE_DETECTORS. All of them together take two milliseconds at the start. */
const detectors: Readonly<Record<string, (around: Surroundings) => DetectedAttributes>> = {
  host: detectHost,
  os: detectOs,
  process: detectProcess,
  container: detectContainer,
  k8s: detectKubernetes,
};

// What resources have in any case.
const alwaysThere: readonly string[] = ["env", "serviceinstance"];

const here: Surroundings["readFile"] = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
};

/**
 * Detects the environment of this process: host, operating system, process, container, Kubernetes. OTEL_NODE_RESOURCE_DETECTORS
 * selects the detectors: `all` by default, `none`, or comma-separated words.
 */
export function detectAttributes(env: Environment, readFile: Surroundings["readFile"] = here): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const name of chosenDetectors(env)) {
    try {
      Object.assign(found, detectors[name]!({ env, readFile }));
    } catch {
      // A system that does not tell who its user is: what the others found is worth having.
    }
  }
  return found;
}

/**
 * Runs slow detectors, such as one for a cloud's metadata server, for at most `timeoutMs`. They run in parallel; one that fails or
 * takes longer is ignored. The result is for the `attributes` of a resource, before tracing starts:
 *
 *     startTracing({ attributes: await detectWithin([() => askTheCloud()]) });
 */
export async function detectWithin(
  detectors: readonly ((signal: AbortSignal) => Promise<DetectedAttributes>)[],
  timeoutMs = 1000,
): Promise<DetectedAttributes> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const timeIsUp = new Promise<DetectedAttributes>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, {});
  });
  const all = await Promise.all(
    detectors.map(async (detect) => {
      try {
        return await Promise.race([detect(controller.signal), timeIsUp]);
      } catch {
        return {};
      }
    }),
  );
  clearTimeout(timer);
  controller.abort();
  return Object.assign({}, ...all) as DetectedAttributes;
}

function chosenDetectors(env: Environment): string[] {
  const all = Object.keys(detectors);
  const words = readWords(env, "OTEL_NODE_RESOURCE_DETECTORS");
  if (words === undefined || words.includes("all")) return all;
  if (words.length === 1 && words[0] === "none") return [];
  const unknown = words.filter((word) => !Object.hasOwn(detectors, word) && !alwaysThere.includes(word));
  if (unknown.length > 0) {
    const accepted = `${[...all, ...alwaysThere].join(", ")}, all, none`;
    warnOfVariable("OTEL_NODE_RESOURCE_DETECTORS", unknown.join(","), accepted, "what else it names");
  }
  return all.filter((name) => words.includes(name));
}

// The values of the conventions, where Node has other words.
const architectures: Readonly<Record<string, string>> = { x64: "amd64", arm: "arm32", ia32: "x86", ppc: "ppc32" };
const systems: Readonly<Record<string, string>> = { win32: "windows", sunos: "solaris" };

function detectHost({ readFile }: Surroundings): DetectedAttributes {
  const id = readFile("/etc/machine-id") ?? readFile("/var/lib/dbus/machine-id");
  return { "host.name": hostname(), "host.arch": architectures[arch()] ?? arch(), "host.id": id?.trim() || undefined };
}

function detectOs({ readFile }: Surroundings): DetectedAttributes {
  const pretty = /^PRETTY_NAME="?([^"\n]+)/m.exec(readFile("/etc/os-release") ?? "")?.[1];
  return {
    "os.type": systems[process.platform] ?? process.platform,
    "os.name": pretty ?? systemName(),
    "os.version": release(),
    "os.description": version(),
  };
}

// Not the arguments: people put passwords there.
function detectProcess(): DetectedAttributes {
  return {
    "process.pid": process.pid,
    "process.parent_pid": process.ppid,
    "process.executable.path": process.execPath,
    "process.executable.name": process.execPath.split(/[\\/]/).at(-1),
    "process.command": process.argv[1],
    "process.owner": userInfo().username,
    "process.runtime.name": "nodejs",
    "process.runtime.version": process.versions.node,
    "process.runtime.description": "Node.js",
  };
}

const containerIdPattern = /(?:^|[^0-9a-f])([0-9a-f]{64})(?:[^0-9a-f]|$)/;

/**
 * With cgroup v1 the container's id is the end of a path in /proc/self/cgroup; with v2 that file says nothing, and the id is in the
 * path of the files that the runtime mounts: /etc/hostname of Docker, containerd and Podman.
 */
function detectContainer({ readFile }: Surroundings): DetectedAttributes {
  for (const line of (readFile("/proc/self/cgroup") ?? "").split("\n")) {
    const id = containerIdPattern.exec(line.slice(line.lastIndexOf("/")))?.[1];
    if (id !== undefined) return { "container.id": id };
  }
  for (const line of (readFile("/proc/self/mountinfo") ?? "").split("\n")) {
    if (!/\/(?:hostname|resolv\.conf|hosts) /.test(line)) continue;
    const id = /\/(?:containers|sandboxes|overlay-containers)\/([0-9a-f]{64})\//.exec(line)?.[1];
    if (id !== undefined) return { "container.id": id };
  }
  return {};
}

const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/** Variables of the downward API under the names people give them; what they leave out, where the pod can tell it itself. */
function detectKubernetes({ env, readFile }: Surroundings): DetectedAttributes {
  const read = (...names: string[]): string | undefined => names.map((name) => env[name]?.trim()).find(Boolean);
  const namespace = readFile(namespaceFile)?.trim() || undefined;
  if (env.KUBERNETES_SERVICE_HOST === undefined && namespace === undefined) return {};
  const cgroups = `${readFile("/proc/self/mountinfo") ?? ""}\n${readFile("/proc/self/cgroup") ?? ""}`;
  const uid = /pods?\/?([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})/.exec(cgroups)?.[1]?.replaceAll("_", "-");
  return {
    "k8s.pod.name": read("K8S_POD_NAME", "POD_NAME", "HOSTNAME") ?? hostname(),
    "k8s.pod.uid": read("K8S_POD_UID", "POD_UID") ?? uid,
    "k8s.namespace.name": read("K8S_POD_NAMESPACE", "K8S_NAMESPACE_NAME", "POD_NAMESPACE") ?? namespace,
    "k8s.node.name": read("K8S_NODE_NAME", "NODE_NAME"),
    "k8s.container.name": read("K8S_CONTAINER_NAME", "CONTAINER_NAME"),
    "k8s.deployment.name": read("K8S_DEPLOYMENT_NAME", "DEPLOYMENT_NAME"),
    "k8s.cluster.name": read("K8S_CLUSTER_NAME", "CLUSTER_NAME"),
  };
}
