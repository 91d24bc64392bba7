import { once } from "node:events";
import { createServer } from "node:net";

/**
 * A port that is free now. It is below those that the system gives to whoever asks for any, so that nobody else takes it while nobody
 * listens there.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 17_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}
