export * from "@clew/rpc";
