import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Ports that are free now, each another. They are below those that the system gives to whoever asks for any, so that nobody else takes
 * them while nobody listens there.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = 15_000 + Math.floor(Math.random() * 17_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!isFree) continue;
    ports.add(port);
    server.close();
    await once(server, "close");
  }
  return [...ports];
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  return port!;
}
