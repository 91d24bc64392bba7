// Streams with rules, for the tests of server-sent events and WebSocket.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Implementation, ServiceError, service } from "@clew/rpc";
import { Topics, type UploadRequestSchema } from "./gen/test/v1/topics_pb.ts";

type TopicsImplementation = Implementation<typeof Topics>;

/** A message of a stream of uploads, as a caller may write it. */
export type UploadInit = MessageInitShape<typeof UploadRequestSchema>;

export function topics(overrides: Partial<TopicsImplementation> = {}): ReturnType<typeof service> {
  return service(Topics, {
    async *watch({ topic, count, text }) {
      for (let number = 0; number < count; number++) yield { topic, text, number: BigInt(number) };
      if (text === "fail") throw noTopic();
    },
    async *find({ topic, count }) {
      for (let number = 0; number < count; number++) yield { topic, number: BigInt(number) };
    },
    async upload(requests) {
      const notes: string[] = [];
      for await (const { topic, author, note } of requests) {
        if (note?.text === "fail") throw noTopic();
        notes.push(`${topic}/${author}: ${note?.text}`);
      }
      return { notes };
    },
    async *chat(requests) {
      for await (const { topic, note } of requests) {
        if (note?.text === "fail") throw noTopic();
        yield { topic, text: note?.text ?? "" };
      }
    },
    ...overrides,
  });
}

export function noTopic(): ServiceError {
  return new ServiceError(404, "NO_TOPIC", "no topic", { metadata: { topic: "a b" } });
}

/** {@link noTopic} as an event of Kratos 3. */
export const noTopicEvent =
  'event: error\ndata: {"code":404,"reason":"NO_TOPIC","message":"no topic","metadata":{"topic":"a b"}}\n\n';

/** The texts of a stream of notes; what came before it failed is in `into`. */
export async function textsOf(notes: AsyncIterable<{ text: string }>, into: string[] = []): Promise<string[]> {
  for await (const { text } of notes) into.push(text);
  return into;
}
