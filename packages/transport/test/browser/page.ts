// What the page of browser.test.ts runs: calls with the clients that pages of others use.
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { Catalog } from "../gen/test/v1/catalog_pb.ts";
import { Echo } from "../gen/test/v1/test_pb.ts";

/** What came of a call: what it answered, or how it failed. */
type Outcome = unknown;

async function outcomeOf(call: Promise<unknown>): Promise<Outcome> {
  try {
    return await call;
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    return {
      code: Code[error.code],
      message: error.rawMessage,
      trailer: error.metadata.get("x-trail-a"),
      details: error.details.map((detail) =>
        "type" in detail ? { type: detail.type, value: [...detail.value] } : undefined,
      ),
    };
  }
}

async function callAll(
  baseUrl: string,
  protocol: "connect" | "grpc-web",
  useBinaryFormat: boolean,
): Promise<Outcome[]> {
  const options = { baseUrl, useBinaryFormat };
  const transport =
    protocol === "connect" ? createConnectTransport({ ...options, useHttpGet: true }) : createGrpcWebTransport(options);
  const echo = createClient(Echo, transport);
  const catalog = createClient(Catalog, transport);
  const headers = { "x-echo-a": "b", "x-trail-a": "c" };
  const listen = async (text: string): Promise<unknown> => {
    const counts: number[] = [];
    for await (const { count } of echo.serverStream({ text, count: 3 }, { headers })) counts.push(count);
    return counts;
  };
  return [
    await outcomeOf(
      echo.unary({ text: "é\u{1F600}", count: -1 }, { headers }).then(({ text, count }) => ({ text, count })),
    ),
    await outcomeOf(echo.unary({ text: "fail" }, { headers })),
    await outcomeOf(
      echo
        .unary({ text: "wait" }, { headers, timeoutMs: 300 })
        .catch((thrown: unknown) => Code[ConnectError.from(thrown).code]),
    ),
    await outcomeOf(listen("stream")),
    await outcomeOf(listen("fail")),
    await outcomeOf(listen("fail first")),
    await outcomeOf(catalog.find({ title: "Dune & Söhne?" }).then(({ title, count }) => ({ title, count }))),
  ];
}

Object.assign(globalThis, { callAll });
