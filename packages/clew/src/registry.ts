export * from "@clew/registry";
