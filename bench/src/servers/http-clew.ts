import { serveWebGreeter } from "./serve-web-greeter.ts";

await serveWebGreeter();
