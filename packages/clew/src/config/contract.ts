export * from "@clew/config/contract";
