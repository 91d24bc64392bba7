import type { NodePair, ServerExchange } from "./server-exchange.ts";

/** Another protocol on the same port, whose requests pass the same filters: Connect, gRPC-Web. */
export interface GuestProtocol {
  /** Whether a request is the guest's. One that no route answers may have less to show for it. */
  owns(request: Pick<ServerExchange, "verb" | "target" | "headers">, isUnrouted: boolean): boolean;
  /** Answers such a request. */
  answer(pair: NodePair): void;
}
