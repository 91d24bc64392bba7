export * from "@clew/transport/openapi";
