import { createKey, type Key } from "@clew/context";

/**
 * Where a context holds the name of the service that the running work belongs to. An App puts its own there; it is what servers
 * that are called hear in {@link serviceNameHeader}, so it is of printable ASCII.
 */
export const serviceNameKey: Key<string> = createKey<string>("clew.serviceName");

/** The header by which a caller says who it is, as in Kratos. */
export const serviceNameHeader = "x-md-service-name";
