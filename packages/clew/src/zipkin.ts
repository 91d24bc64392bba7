export * from "@clew/trace/zipkin";
