import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { type Duplex, duplexPair } from "node:stream";
import { Decoder, Encoder, ServerSession, type ServerSessionOptions } from "@clew/http2";
import { until } from "./until.ts";

export const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

export const Type = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

export const END_STREAM = 1;
export const END_HEADERS = 4;
export const ACK = 1;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

/** The bytes of one frame; `payload` may be a number, which is written as 32 bits. */
export function frame(type: number, flags: number, id: number, payload: Buffer | string | number = ""): Buffer {
  let bytes: Buffer;
  if (typeof payload === "number") {
    bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(payload);
  } else bytes = Buffer.from(payload as string, "latin1");
  const header = Buffer.alloc(9);
  header.writeUIntBE(bytes.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(id, 5);
  return Buffer.concat([header, bytes]);
}

export function setting(id: number, value: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16BE(id);
  bytes.writeUInt32BE(value, 2);
  return bytes;
}

export const requestFields = [
  ":method",
  "POST",
  ":scheme",
  "http",
  ":path",
  "/a.B/C",
  ":authority",
  "test",
  "te",
  "trailers",
];

/** The other end of a connection, which speaks in frames and says what it likes. */
export class RawPeer {
  readonly frames: Frame[] = [];
  readonly socket: Duplex;
  readonly #encoder = new Encoder();
  readonly #decoder = new Decoder(1 << 20);
  #bytes = Buffer.alloc(0);
  #skip: number;
  #waiters: (() => void)[] = [];
  isClosed = false;

  /** `skip` is how many bytes come before the first frame: a client's preface. */
  constructor(socket: Duplex, skip = 0) {
    this.socket = socket;
    this.#skip = skip;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    const close = (): void => {
      this.isClosed = true;
      this.#wake();
    };
    socket.on("error", close).on("close", close).on("end", close);
  }

  /** Says a client's hello. */
  greet(settings: Buffer = Buffer.alloc(0)): this {
    this.socket.write(Buffer.concat([Buffer.from(preface, "latin1"), frame(Type.SETTINGS, 0, 0, settings)]));
    return this;
  }

  send(...frames: Buffer[]): void {
    if (!this.socket.destroyed && this.socket.writable) this.socket.write(Buffer.concat(frames));
  }

  block(fields: readonly string[]): Buffer {
    const bytes = Buffer.alloc(this.#encoder.maxBytes(fields));
    return bytes.subarray(0, this.#encoder.encode(fields, bytes, 0));
  }

  headers(id: number, flags: number, fields: readonly string[] = requestFields): Buffer {
    return frame(Type.HEADERS, flags | END_HEADERS, id, this.block(fields));
  }

  fieldsOf(headers: Frame): readonly string[] {
    return this.#decoder.decode(headers.payload, 0, headers.payload.length).fields;
  }

  /** Waits for a frame that was not waited for before; rejects when the connection ends without one. */
  async expect(type: number, matches: (frame: Frame) => boolean = () => true): Promise<Frame> {
    const deadline = Date.now() + 30_000;
    for (;;) {
      const index = this.frames.findIndex((one) => one.type === type && matches(one));
      if (index >= 0) return this.frames.splice(index, 1)[0]!;
      if (this.isClosed) throw new Error(`the connection ended without a frame of type ${type}: ${this.#describe()}`);
      if (Date.now() > deadline) throw new Error(`no frame of type ${type}: ${this.#describe()}`);
      await this.#change();
    }
  }

  /** The code of the GOAWAY that comes before the connection ends. */
  async expectGoAway(): Promise<number> {
    const { payload } = await this.expect(Type.GOAWAY);
    return payload.readUInt32BE(4);
  }

  async expectClose(): Promise<void> {
    while (!this.isClosed) await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, 1000);
      this.#waiters.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #read(chunk: Buffer): void {
    const skipped = Math.min(this.#skip, chunk.length);
    this.#skip -= skipped;
    this.#bytes = Buffer.concat([this.#bytes, chunk.subarray(skipped)]);
    for (;;) {
      if (this.#bytes.length < 9) break;
      const end = 9 + this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.length < end) break;
      const id = this.#bytes.readUInt32BE(5) & 0x7fffffff;
      this.frames.push({ type: this.#bytes[3]!, flags: this.#bytes[4]!, id, payload: this.#bytes.subarray(9, end) });
      this.#bytes = this.#bytes.subarray(end);
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }

  #describe(): string {
    return (
      this.frames.map((one) => `${one.type}/${one.flags}/${one.id}/${one.payload.length}`).join(" ") || "none came"
    );
  }
}

/** A server session and a raw client in memory. */
export function serveRaw(options: ServerSessionOptions): { session: ServerSession; peer: RawPeer } {
  const [ours, theirs] = duplexPair();
  return { session: new ServerSession(ours, options), peer: new RawPeer(theirs) };
}

export interface TestServer {
  readonly server: Server;
  readonly port: number;
  readonly sessions: Set<ServerSession>;
  /** A raw client over a new connection. */
  connect(): Promise<RawPeer>;
  close(): Promise<void>;
}

/** A server on a real socket. */
export async function listen(options: (socket: Socket) => ServerSessionOptions): Promise<TestServer> {
  const sessions = new Set<ServerSession>();
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket.on("close", () => sockets.delete(socket)));
    const session = new ServerSession(socket, options(socket));
    sessions.add(session);
    socket.on("close", () => sessions.delete(session));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const clients = new Set<Socket>();
  let connections = 0;
  let accepted = 0;
  server.on("connection", () => accepted++);
  return {
    server,
    port,
    sessions,
    async connect() {
      const socket = connect(port, "127.0.0.1");
      socket.setNoDelay(true);
      clients.add(socket);
      connections++;
      await once(socket, "connect");
      // Who measures what a connection does to the sessions needs its session to be there.
      const mine = connections;
      await until(() => accepted >= mine, "the server accepts");
      return new RawPeer(socket);
    },
    async close() {
      for (const socket of [...clients, ...sockets]) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
