/**
 * node:http, for its values. An import of it by name would read each of its exports, and to read `WebSocket` loads Node's own undici:
 * 20 ms of a start of 150, for something that nobody here uses.
 */
export const http: typeof import("node:http") = process.getBuiltinModule("node:http");
