import type { ClientStream, ClientStreamListener, HeaderFields } from "@clew/http2";
import type { Call } from "@clew/rpc";

/** What requests are sent on: a connection of HTTP/2, or what does the same over HTTP/1.1. */
export interface StreamSession {
  /** `host:port` of the other end; empty over a unix socket. */
  readonly peer: string;
  /** Whether it takes new streams. Who waited for it looks once more: its client may have been closed meanwhile. */
  readonly isOpen: boolean;
  /** Sends a request; with `body` all of it. */
  openStream(fields: HeaderFields, body: Uint8Array | undefined, listener: ClientStreamListener): ClientStream;
}

/** The way to one endpoint. */
export interface StreamConnection {
  /** `host:port`, or the path of a unix socket. */
  readonly endpoint: string;
  /** The session to send a call on: at once when there is one. Throws and rejects with 503 when there can be none. */
  session(call: Call): StreamSession | Promise<StreamSession>;
  /** Like {@link session}, but waits through failures for as long as the call may last. */
  whenReady(call: Call): Promise<StreamSession>;
  /** Why a stream was lost, where there are better words for it than its error's. */
  explain(error: Error): string | undefined;
  /** Takes no more calls; resolves when the open ones are over. */
  close(): Promise<void>;
}

/** Opens a stream in other words than it is asked for. */
export type OpenStream = (
  session: StreamSession,
  fields: HeaderFields,
  body: Uint8Array | undefined,
  listener: ClientStreamListener,
) => ClientStream;

/** A connection for a client that speaks gRPC, to a server that speaks something else. */
export function translateConnection(connection: StreamConnection, openStream: OpenStream): StreamConnection {
  const translate = (session: StreamSession): StreamSession => new TranslatedSession(session, openStream);
  return {
    endpoint: connection.endpoint,
    session(call) {
      const found = connection.session(call);
      return found instanceof Promise ? found.then(translate) : translate(found);
    },
    whenReady: async (call) => translate(await connection.whenReady(call)),
    explain: (error) => connection.explain(error),
    close: () => connection.close(),
  };
}

class TranslatedSession implements StreamSession {
  readonly #session: StreamSession;
  readonly #openStream: OpenStream;

  constructor(session: StreamSession, openStream: OpenStream) {
    this.#session = session;
    this.#openStream = openStream;
  }

  get peer(): string {
    return this.#session.peer;
  }

  get isOpen(): boolean {
    return this.#session.isOpen;
  }

  openStream(fields: HeaderFields, body: Uint8Array | undefined, listener: ClientStreamListener): ClientStream {
    return this.#openStream(this.#session, fields, body, listener);
  }
}

/** Takes a reply in other words than its listener knows. This one passes on what needs no translation. */
export abstract class TranslatedReply implements ClientStreamListener {
  protected readonly listener: ClientStreamListener;

  constructor(listener: ClientStreamListener) {
    this.listener = listener;
  }

  abstract onHeaders(fields: HeaderFields): void;

  abstract onData(bytes: Buffer): void;

  abstract onEnd(trailers: HeaderFields): void;

  onReset(code: number, error: Error | undefined): void {
    this.listener.onReset(code, error);
  }

  onDrain(): void {
    this.listener.onDrain();
  }
}
