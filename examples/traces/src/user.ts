// The front: asks message (gRPC) and profile (HTTP) side by side and answers both in one.
import { App, createClient, HttpServer, logging, metadata, recovery, runMain, service, tracing } from "clew";
import { startTracing } from "clew/trace";
import { loadConfig } from "./config.ts";
import { Message, Profile, User } from "./gen/demo/v1/demo_pb.ts";

await runMain(async () => {
  const config = await loadConfig();
  const traces = startTracing({ service: "user", endpoint: config.collector.otlpEndpoint });

  const middleware = [tracing(), metadata()];
  const message = createClient(Message, { endpoint: config.message.endpoint, middleware });
  const profile = createClient(Profile, { endpoint: config.profile.endpoint, middleware });

  const user = service(User, {
    sayHello({ name }) {
      return { message: `Hello ${name}` };
    },
    async listUserMessages({ userId, limit }) {
      // No context is passed: both calls find the span they belong to, and the deadline they share.
      const [{ name }, { messages }] = await Promise.all([
        profile.getProfile({ userId }),
        message.listMessages({ userId, limit }),
      ]);
      return { name, messages };
    },
  });

  const app = new App({
    name: "user",
    servers: [
      new HttpServer({
        address: config.user.address,
        middleware: [tracing(), logging(), recovery(), metadata()],
        services: [user],
      }),
    ],
    afterStop: [() => message[Symbol.asyncDispose](), () => profile[Symbol.asyncDispose](), () => traces.shutdown()],
  });
  await app.run();
});
