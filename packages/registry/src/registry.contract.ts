import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Discovery } from "./discovery.ts";
import { createInstance, type Instance } from "./instance.ts";
import type { Registrar } from "./registrar.ts";

/** A registry under test, and the function that ends it. */
export interface RegistryHarness {
  readonly registry: Registrar & Discovery;
  /** Another connection to the same registry, as another process would have it. Default: the same object. */
  readonly other?: Registrar & Discovery;
  close?(): Promise<void> | void;
}

export interface RegistryContractOptions {
  /** How long it may take until a watch reports a change, in milliseconds. Default: 10_000. */
  timeoutMs?: number;
}

/** The promises of every registry, as tests of `node:test`. Each test has its own empty registry. */
export function testRegistry(
  name: string,
  open: () => Promise<RegistryHarness> | RegistryHarness,
  options: RegistryContractOptions = {},
): void {
  const { timeoutMs = 10_000 } = options;

  /** A test with a registry. The signal ends its watches, and aborts when the test takes too long. */
  const behaves = (
    what: string,
    body: (registry: Registrar & Discovery, other: Registrar & Discovery, signal: AbortSignal) => Promise<void>,
  ): void => {
    test(what, async () => {
      const harness = await open();
      const end = new AbortController();
      const timer = setTimeout(() => end.abort(new Error(`nothing came within ${timeoutMs} ms`)), timeoutMs);
      try {
        await body(harness.registry, harness.other ?? harness.registry, end.signal);
      } finally {
        clearTimeout(timer);
        end.abort();
        await harness.close?.();
      }
    });
  };

  describe(name, () => {
    behaves("lists what was registered, whole, under its name alone", async (registry, other) => {
      const user = exampleInstance("user", "1", {
        version: "v1.2.3",
        metadata: { weight: "50", zone: "größer ≠ kleiner" },
        endpoints: ["http://10.0.0.5:8000", "grpc://10.0.0.5:9000"],
      });
      await registry.register(user);
      await registry.register(exampleInstance("user-admin", "2"));
      assert.deepEqual(await other.list("user"), [user]);
      assert.deepEqual(await other.list("use"), []);
      await registry.deregister(user);
      await registry.deregister(exampleInstance("user-admin", "2"));
      assert.deepEqual(await other.list("user"), []);
    });

    behaves("registering again replaces, and deregistering twice is no failure", async (registry, other) => {
      await registry.register(exampleInstance("user", "1"));
      await registry.register(exampleInstance("user", "1", { version: "v2" }));
      assert.deepEqual(
        (await other.list("user")).map(({ version }) => version),
        ["v2"],
      );
      await registry.deregister(exampleInstance("user", "1"));
      await registry.deregister(exampleInstance("user", "1"));
      assert.deepEqual(await other.list("user"), []);
    });

    behaves("one registry holds several instances, and each goes alone", async (registry, other) => {
      const instances = ["a", "b", "c"].map((id) => exampleInstance("user", id));
      for (const instance of instances) await registry.register(instance);
      assert.deepEqual(idsOf(await other.list("user")), ["a", "b", "c"]);
      await registry.deregister(instances[1]!);
      assert.deepEqual(idsOf(await other.list("user")), ["a", "c"]);
      await Promise.all(instances.map((instance) => registry.deregister(instance)));
    });

    behaves(
      "a watch begins with what there is, and tells every change as a whole list",
      async (registry, other, end) => {
        await registry.register(exampleInstance("user", "a"));
        const lists = readLists(other, "user", end);
        assert.deepEqual(await lists.next(), ["a"]);
        await registry.register(exampleInstance("user", "b"));
        await lists.until("a,b");
        await registry.deregister(exampleInstance("user", "a"));
        await lists.until("b");
        await registry.deregister(exampleInstance("user", "b"));
        await lists.until("");
        await registry.register(exampleInstance("user", "c"));
        await lists.until("c");
        await registry.deregister(exampleInstance("user", "c"));
      },
    );

    behaves("the first list of a service that has nobody is empty, and comes", async (_registry, other, end) => {
      assert.deepEqual(await readLists(other, "nobody", end).next(), []);
    });

    behaves("a watch tells nothing of other services", async (registry, other, end) => {
      const lists = readLists(other, "user", end);
      assert.deepEqual(await lists.next(), []);
      await registry.register(exampleInstance("user-admin", "x"));
      await registry.register(exampleInstance("user", "a"));
      assert.deepEqual(await lists.next(), ["a"]);
      await registry.deregister(exampleInstance("user", "a"));
      await registry.deregister(exampleInstance("user-admin", "x"));
    });

    behaves("a change of an instance is told", async (registry, other, end) => {
      await registry.register(exampleInstance("user", "a"));
      const watch = other.watch("user", end)[Symbol.asyncIterator]();
      await watch.next();
      await registry.register(exampleInstance("user", "a", { metadata: { weight: "7" } }));
      const { value } = await watch.next();
      assert.equal((value as readonly Instance[])[0]?.metadata.weight, "7");
      await registry.deregister(exampleInstance("user", "a"));
    });

    behaves("an aborted watch ends without an error, also one that waits", async (_registry, other) => {
      const aborted = other.watch("user", AbortSignal.abort())[Symbol.asyncIterator]();
      assert.equal((await aborted.next()).done, true);
      const end = new AbortController();
      const watch = other.watch("user", end.signal)[Symbol.asyncIterator]();
      await watch.next();
      const waiting = watch.next();
      end.abort();
      assert.equal((await waiting).done, true);
    });

    behaves("an aborted signal registers nothing", async (registry, other) => {
      await assert.rejects(async () => registry.register(exampleInstance("user", "a"), AbortSignal.abort()));
      assert.deepEqual(await other.list("user"), []);
    });

    behaves("many watches see the same", async (registry, other, end) => {
      const watches = Array.from({ length: 5 }, () => readLists(other, "user", end));
      await registry.register(exampleInstance("user", "a"));
      for (const watch of watches) await watch.until("a");
      await registry.deregister(exampleInstance("user", "a"));
      for (const watch of watches) await watch.until("");
    });
  });
}

function exampleInstance(name: string, id: string, more: Partial<Instance> = {}): Instance {
  return createInstance({ id, name, version: "v1", endpoints: ["grpc://127.0.0.1:9000"], ...more });
}

function idsOf(instances: readonly Instance[]): string[] {
  return instances.map(({ id }) => id).sort();
}

interface ListReader {
  /** Returns the ids of the next list. */
  next(): Promise<string[]>;
  /** Reads until a list has these ids. */
  until(ids: string): Promise<void>;
}

function readLists(discovery: Discovery, name: string, signal: AbortSignal): ListReader {
  const watch = discovery.watch(name, signal)[Symbol.asyncIterator]();
  const next = async (): Promise<string[]> => {
    const { done, value } = await watch.next();
    if (done) throw signal.reason ?? new Error("the watch ended");
    return idsOf(value);
  };
  return {
    next,
    async until(ids) {
      while ((await next()).join() !== ids) {
        // Lists in between may be reported or not.
      }
    },
  };
}
