export * from "@clew/trace/xray";
