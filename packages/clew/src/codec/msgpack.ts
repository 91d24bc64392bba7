export * from "@clew/rpc/msgpack";
