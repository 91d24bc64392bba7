export * from "@clew/log";
