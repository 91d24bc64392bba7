// Who a user is. HTTP only; an unknown user is an error of the contract.
import { setTimeout as sleep } from "node:timers/promises";
import { App, errorsOf, HttpServer, logging, metadata, recovery, runMain, service, tracing } from "clew";
import { startTracing } from "clew/trace";
import { loadConfig } from "./config.ts";
import { ErrorReasonSchema, Profile } from "./gen/demo/v1/demo_pb.ts";

const { USER_NOT_FOUND } = errorsOf(ErrorReasonSchema);
const names = new Map([
  ["1", "Ada"],
  ["2", "Grace"],
  ["3", "Edsger"],
]);

const profile = service(Profile, {
  async getProfile({ userId }) {
    if (userId === "3") await sleep(350); // somebody has to be slow
    const name = names.get(userId);
    if (name === undefined) throw USER_NOT_FOUND(`no user ${userId}`, { metadata: { user_id: userId } });
    return { userId, name };
  },
});

await runMain(async () => {
  const config = await loadConfig();
  const traces = startTracing({ service: "profile", endpoint: config.collector.otlpEndpoint });
  const app = new App({
    name: "profile",
    servers: [
      new HttpServer({
        address: config.profile.address,
        middleware: [tracing(), logging(), recovery(), metadata()],
        services: [profile],
      }),
    ],
    afterStop: [() => traces.shutdown()],
  });
  await app.run();
});
