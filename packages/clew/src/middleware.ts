export * from "@clew/middleware";
