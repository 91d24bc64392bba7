import assert from "node:assert/strict";
import { hostname } from "node:os";
import { test } from "node:test";
import { detectAttributes, detectWithin } from "./resource-detectors.ts";

const id = "4f1b2c3d".repeat(8);
const uid = "0a1b2c3d-1111-2222-3333-0123456789ab";

function detect(env: Record<string, string>, files: Record<string, string> = {}): Record<string, unknown> {
  const found = detectAttributes(env, (path) => files[path]);
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

test("host, system and process are told by the names of the conventions", () => {
  const found = detectAttributes({});
  assert.equal(found["host.name"], hostname());
  assert.equal(found["process.pid"], process.pid);
  assert.equal(found["process.runtime.version"], process.versions.node);
  assert.equal(found["os.type"], process.platform);
  assert.match(String(found["host.arch"]), /^(amd64|arm64|arm32|x86|ppc64|s390x|riscv64|loong64)$/);
  assert.equal(detect({}, { "/etc/machine-id": "abc\n" })["host.id"], "abc");
  assert.equal(detect({}, { "/etc/os-release": 'NAME=x\nPRETTY_NAME="Debian 13"\n' })["os.name"], "Debian 13");
  assert.equal("process.command_args" in found, false);
});

test("a container is known by its cgroup, or by its mounts", () => {
  const container = (files: Record<string, string>): unknown =>
    detect({ OTEL_NODE_RESOURCE_DETECTORS: "container" }, files)["container.id"];
  assert.equal(container({ "/proc/self/cgroup": `12:cpu:/docker/${id}\n` }), id);
  assert.equal(container({ "/proc/self/cgroup": `0::/kubepods.slice/cri-containerd-${id}.scope\n` }), id);
  const mount = `812 800 8:1 /var/lib/docker/containers/${id}/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n`;
  assert.equal(container({ "/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": mount }), id);
  assert.equal(container({ "/proc/self/cgroup": "0::/user.slice\n", "/proc/self/mountinfo": "1 2 / /" }), undefined);
  assert.equal(container({}), undefined);
});

test("a pod is known by the downward API, and by what is mounted into it", () => {
  const only = { OTEL_NODE_RESOURCE_DETECTORS: "k8s" };
  assert.deepEqual(detect(only), {});
  const files = {
    "/var/run/secrets/kubernetes.io/serviceaccount/namespace": "shop\n",
    "/proc/self/mountinfo": `1 2 8:1 /var/lib/kubelet/pods/${uid}/etc-hosts /etc/hosts rw - ext4 /dev/sda1 rw`,
  };
  assert.deepEqual(detect({ ...only, HOSTNAME: "orders-7d9-x" }, files), {
    "k8s.pod.name": "orders-7d9-x",
    "k8s.pod.uid": uid,
    "k8s.namespace.name": "shop",
  });
  const env = { ...only, KUBERNETES_SERVICE_HOST: "10.0.0.1", POD_NAME: "p", POD_NAMESPACE: "n", NODE_NAME: "m" };
  assert.deepEqual(detect(env, { "/proc/self/cgroup": `0::/kubepods/burstable/pod${uid.replaceAll("-", "_")}/x` }), {
    "k8s.pod.name": "p",
    "k8s.pod.uid": uid,
    "k8s.namespace.name": "n",
    "k8s.node.name": "m",
  });
});

test("OTEL_NODE_RESOURCE_DETECTORS chooses", () => {
  const keys = (words: string): string[] => Object.keys(detect({ OTEL_NODE_RESOURCE_DETECTORS: words }));
  assert.deepEqual(keys("none"), []);
  assert.deepEqual(keys("env,host"), ["host.name", "host.arch"]);
  assert.ok(keys("all").includes("process.pid"));
  assert.deepEqual(keys("gcp,toString,os"), ["os.type", "os.name", "os.version", "os.description"]);
});

test("slow detectors have a limit, and those that fail cost nothing", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const signals: AbortSignal[] = [];
  const found = detectWithin(
    [
      async () => ({ "cloud.region": "eu" }),
      async () => {
        throw new Error("broken");
      },
      (signal) => {
        signals.push(signal);
        return new Promise(() => {});
      },
    ],
    500,
  );
  t.mock.timers.tick(500);
  assert.deepEqual(await found, { "cloud.region": "eu" });
  assert.equal(signals[0]!.aborted, true);
});
