export * from "@clew/trace/opentracing";
