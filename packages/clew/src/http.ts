export * from "@clew/transport/http";
