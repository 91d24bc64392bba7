export * from "@clew/trace/jaeger";
