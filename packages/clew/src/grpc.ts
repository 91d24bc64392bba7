export * from "@clew/transport/grpc";
