import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Metadata, Peer } from "@clew/rpc";
import type { HttpReply } from "./reply.ts";

/** A request, and the place for its one reply, whichever version of HTTP carries them. */
export interface ServerExchange {
  readonly verb: string;
  /** Path and query; to a proxy a whole URL. */
  readonly target: string;
  /** By lower-case name, as node:http has them. */
  readonly headers: IncomingHttpHeaders;
  /** The names and values of the headers as they came, in turn. */
  readonly rawHeaders: readonly string[];
  /** A header by its lower-case name. It costs less than {@link headers}, which are made when somebody looks at them. */
  header(name: string): string | undefined;
  /** The headers as the metadata of a call. */
  metadata(): Metadata;
  readonly scheme: "http" | "https";
  /** The version of HTTP: `1.1`, `2`. */
  readonly version: string;
  readonly peer: Peer;
  /** Whether a reply began. */
  readonly isAnswered: boolean;
  /** Called when the caller left before its reply was complete. */
  onLeave: (() => void) | undefined;
  /** Whether the request comes with a body, also an empty one. */
  hasBody(): boolean;
  /**
   * Reads the body. One that says it is over the limit is not read at all; of one that turns out to be, nothing more is.
   *
   * @throws ServiceError 413 BODY_TOO_LARGE, or 499 when the caller goes away
   */
  readBody(limitBytes: number, operation: string): Promise<Uint8Array>;
  /**
   * Writes the reply in one go.
   *
   * @throws TypeError when the metadata has a name or a value that no header can have; nothing is sent then.
   */
  reply(reply: HttpReply): void;
  /** Calls `listener` when the reply is out, with how long its body was on the wire; undefined where that is not known. */
  whenSent(listener: (bodyBytes: number | undefined) => void): void;
  /** Cuts off a reply that began and cannot be ended well. */
  abort(): void;
  /** Request and response as node:http has them, for a raw handler, who answers from then on. */
  open(): NodePair;
}

export interface NodePair {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}
