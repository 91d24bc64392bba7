export * from "@clew/transport";
