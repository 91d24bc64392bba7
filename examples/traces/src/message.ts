// What a user wrote. gRPC only; every query of its SQLite file is a span.
import { DatabaseSync } from "node:sqlite";
import { App, GrpcServer, logging, metadata, recovery, runMain, service, tracing } from "clew";
import { propagation, SpanKind, startTracing, withSpan } from "clew/trace";
import { loadConfig, prepareFile } from "./config.ts";
import { Message } from "./gen/demo/v1/demo_pb.ts";

/** Opens the file and fills it when it is new. */
function openMessages(path: string): DatabaseSync {
  const database = new DatabaseSync(prepareFile(path));
  database.exec(`
    CREATE TABLE IF NOT EXISTS message (id TEXT PRIMARY KEY, user_id TEXT, text TEXT);
    INSERT OR IGNORE INTO message VALUES
      ('m1', '1', 'The engine weaves patterns.'),
      ('m2', '1', 'Note G is done.'),
      ('m3', '2', 'Found a moth in relay 70.'),
      ('m4', '3', 'Two or more, use a for.');
  `);
  return database;
}

function createMessage(database: DatabaseSync) {
  const select = "SELECT id, text FROM message WHERE user_id = ? ORDER BY id DESC LIMIT ?";
  const statement = database.prepare(select);

  return service(Message, {
    listMessages({ userId, limit }) {
      // Baggage is what the first caller sent along: it has come through user without a line of code.
      const tenant = propagation.getActiveBaggage()?.getEntry("tenant")?.value;
      const attributes = {
        "db.system.name": "sqlite",
        "db.query.text": select,
        ...(tenant && { "app.tenant": tenant }),
      };
      const rows = withSpan("SELECT message", { kind: SpanKind.CLIENT, attributes }, () =>
        statement.all(userId, limit || 10),
      );
      return { messages: rows.map(({ id, text }) => ({ id: String(id), text: String(text) })) };
    },
  });
}

await runMain(async () => {
  const config = await loadConfig();
  const traces = startTracing({ service: "message", endpoint: config.collector.otlpEndpoint });
  const database = openMessages(config.message.data);
  const app = new App({
    name: "message",
    servers: [
      new GrpcServer({
        address: config.message.address,
        middleware: [tracing(), logging(), recovery(), metadata()],
        services: [createMessage(database)],
      }),
    ],
    afterStop: [() => traces.shutdown(), () => database.close()],
  });
  await app.run();
});
