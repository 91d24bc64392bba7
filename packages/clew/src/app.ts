export * from "@clew/app";
