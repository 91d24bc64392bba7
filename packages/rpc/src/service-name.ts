import { createKey, type Key } from "@clew/context";

/**
 * The context key for the name of the service that the running code belongs to. An App puts its own name there. Servers that
 * are called receive it in {@link serviceNameHeader}, so it must consist of printable ASCII.
 */
export const serviceNameKey: Key<string> = createKey<string>("clew.serviceName");

/** The header in which a caller sends its service name, as in Kratos. */
export const serviceNameHeader = "x-md-service-name";
