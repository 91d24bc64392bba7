export * from "@clew/trace/skywalking";
