import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export interface Relay {
  readonly port: number;
  readonly sockets: Set<Socket>;
  /** New connections go to the second port from now on. */
  switch(): void;
  close(): Promise<void>;
}

/** Passes connections on to a port, so that they can be cut. */
export async function startRelay(port: number, secondPort = port): Promise<Relay> {
  let target = port;
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  };
  const relay: Server = createServer((socket) => {
    const onward = connect(target, "127.0.0.1");
    keep(socket);
    keep(onward);
    socket.pipe(onward).pipe(socket);
    socket.on("close", () => onward.destroy());
    onward.on("close", () => socket.destroy());
  });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
  return {
    port: (relay.address() as AddressInfo).port,
    sockets,
    switch: () => {
      target = secondPort;
    },
    async close() {
      relay.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
