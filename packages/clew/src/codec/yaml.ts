export * from "@clew/rpc/yaml";
