export * from "@clew/rpc/xml";
