export * from "@clew/config";
