import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";

/** A bare server of another make. */
export async function withBare<R>(listener: RequestListener, use: (url: string) => Promise<R>): Promise<R> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** What a bare server was asked. */
export async function readRequest(
  request: IncomingMessage,
): Promise<[verb: string, url: string, body: string, contentType: string | undefined]> {
  let body = "";
  for await (const chunk of request) body += String(chunk);
  return [request.method!, request.url!, body, request.headers["content-type"]];
}
