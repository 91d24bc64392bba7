export * from "@clew/registry/contract";
