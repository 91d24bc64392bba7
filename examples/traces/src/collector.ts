// Receives the spans of the other three, keeps them and shows them.
import { App, runMain } from "clew";
import { Collector } from "clew/collector";
import { loadConfig, prepareFile } from "./config.ts";

await runMain(async () => {
  const { collector } = await loadConfig();
  const app = new App({
    name: "collector",
    servers: [
      new Collector({
        address: collector.address,
        otlpAddress: collector.otlpAddress,
        data: prepareFile(collector.data),
      }),
    ],
  });
  await app.run();
});
