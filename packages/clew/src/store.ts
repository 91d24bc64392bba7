export * from "@clew/store";
