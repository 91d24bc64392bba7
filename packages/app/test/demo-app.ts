// An app and servers that only write down what happens to them.
import { App, type AppOptions, type Server } from "@clew/app";
import { silentLogger } from "@clew/log";

/** An app without signals and lines. */
export function createApp(options: AppOptions = {}): App {
  return new App({ name: "demo", logger: silentLogger, signals: [], ...options });
}

export interface FakeServerOptions {
  start?: () => Promise<void> | void;
  stop?: (signal: AbortSignal) => Promise<void> | void;
  drain?: () => void;
}

/** A server that writes down what happens to it. */
export function fakeServer(events: string[], name: string, options: FakeServerOptions = {}): Server {
  return {
    async start() {
      await options.start?.();
      events.push(`${name} started`);
    },
    async stop(signal) {
      await options.stop?.(signal);
      events.push(`${name} stopped`);
    },
    endpoint: () => new URL(`http://127.0.0.1/${name}`),
    ...(options.drain && { drain: options.drain }),
  };
}

/** A hook that writes its name down, and then fails if it is told to. */
export function hook(events: string[], name: string, failure?: Error): () => void {
  return () => {
    events.push(name);
    if (failure !== undefined) throw failure;
  };
}

export const forever = (): Promise<void> => new Promise(() => {});
