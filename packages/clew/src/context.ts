export * from "@clew/context";
