export * from "@clew/trace/opencensus";
