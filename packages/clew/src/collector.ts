export * from "@clew/collector";
