// What a message costs to write and to read, beside what JSON and protobuf-es cost in the same process:
//
//     node bench/src/codec.ts              everything
//     node bench/src/codec.ts order json   the lines whose name has these words
//
// CPU time of the process, in rounds that take turns, with the median of their ratios.
import { parseArgs } from "node:util";
import { create, type DescMessage, fromBinary, fromJson, type Message, toBinary, toJson } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { createJsonCodec, protoCodec } from "@clew/rpc";
import { HelloRequestSchema } from "./gen/bench/v1/bench_pb.ts";
import { OrderSchema } from "./gen/bench/v1/order_pb.ts";

const { values, positionals: words } = parseArgs({
  options: { rounds: { type: "string", default: "31" } },
  allowPositionals: true,
});
const rounds = Number(values.rounds);
const roundMs = 20;

interface Line {
  readonly name: string;
  readonly work: () => unknown;
  readonly peer: string;
  readonly peerWork: () => unknown;
}

const order = create(OrderSchema, {
  id: "0197f5c2-8a41-7c39-b0de-5f1f2a9b7c10",
  number: 8_112_904_556n,
  status: 2,
  placedAt: timestampFromMs(1_760_000_000_123),
  customer: {
    id: "c-481516",
    name: "Zoë Lindqvist",
    email: "zoe.lindqvist@example.com",
    phone: "+46 8 123 456 78",
    addresses: [
      {
        street: "Storgatan 12 B",
        city: "Göteborg",
        postalCode: "411 24",
        country: "SE",
        latitude: 57.70887,
        longitude: 11.97456,
      },
      {
        street: "Drottninggatan 71",
        city: "Stockholm",
        postalCode: "111 36",
        country: "SE",
        latitude: 59.33459,
        longitude: 18.06324,
      },
    ],
  },
  items: [1, 2, 3, 4, 5].map((i) => ({
    sku: `SKU-20${i}-44-BLK`,
    name: ["Rain jacket, unisex", 'Notebook "A5", ruled', "USB-C cable 2 m", "Water bottle 0.75 l", "Wool socks"][
      i - 1
    ]!,
    quantity: i,
    price: { currency: "SEK", units: BigInt(129 * i), nanos: 500_000_000 },
    tags: ["outdoor", "sale", `size-${40 + i}`],
    warehouseIds: [3, 17, 200 + i],
  })),
  labels: { channel: "web", campaign: "autumn-2025", "experiment/checkout": "variant-b" },
  total: { currency: "SEK", units: 1935n, nanos: 0 },
  gift: true,
  note: "Please leave the parcel with the neighbour on the second floor if nobody answers the door bell.",
  payment: { case: "card", value: { holder: "Z LINDQVIST", lastDigits: "4242", expiryMonth: 11, expiryYear: 2029 } },
});

const lines: Line[] = [
  ...linesOf("order", OrderSchema, order),
  ...linesOf("hello", HelloRequestSchema, create(HelloRequestSchema, { name: "kratos" })),
].filter(({ name }) => words.every((word) => name.includes(word)));

function linesOf<M extends DescMessage>(name: string, desc: M, message: Message): Line[] {
  const json = createJsonCodec().compile(desc as DescMessage);
  const proto = protoCodec.compile(desc as DescMessage);
  const text = json.encodeText!(message);
  const textBytes = Buffer.from(text);
  const bytes = toBinary(desc as DescMessage, message);
  // What a service without protobuf would hold: the same names and values as a plain object.
  const plain = JSON.parse(text) as object;
  const emit = { alwaysEmitImplicit: true };
  return [
    {
      name: `${name} json decode, ${textBytes.length} bytes`,
      work: () => json.decode(textBytes),
      peer: "JSON.parse",
      peerWork: () => JSON.parse(textBytes.toString()),
    },
    {
      name: `${name} json encode to text`,
      work: () => json.encodeText!(message).length,
      peer: "JSON.stringify",
      peerWork: () => JSON.stringify(plain).length,
    },
    {
      name: `${name} json encode to bytes`,
      work: () => json.encode(message),
      peer: "JSON.stringify",
      peerWork: () => Buffer.from(JSON.stringify(plain)),
    },
    {
      name: `${name} json decode`,
      work: () => json.decode(textBytes),
      peer: "protobuf-es",
      peerWork: () => fromJson(desc as DescMessage, JSON.parse(textBytes.toString())),
    },
    {
      name: `${name} json encode to text`,
      work: () => json.encodeText!(message).length,
      peer: "protobuf-es",
      peerWork: () => JSON.stringify(toJson(desc as DescMessage, message, emit)).length,
    },
    {
      name: `${name} proto decode, ${bytes.length} bytes`,
      work: () => proto.decode(bytes),
      peer: "protobuf-es",
      peerWork: () => fromBinary(desc as DescMessage, bytes),
    },
    {
      name: `${name} proto encode`,
      work: () => proto.encode(message),
      peer: "protobuf-es",
      peerWork: () => toBinary(desc as DescMessage, message),
    },
  ];
}

let sink: unknown;

/** CPU microseconds of one run, from as many as fit into a round. */
function measure(work: () => unknown, count: number): number {
  const before = process.cpuUsage();
  for (let i = 0; i < count; i++) sink = work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

console.log("| what | CPU us | peer | CPU us | ratio |");
console.log("| --- | ---: | --- | ---: | ---: |");
for (const { name, work, peer, peerWork } of lines) {
  // The same number of runs for both, warm before the first round counts.
  let count = 1000;
  while (measure(work, count) * count < roundMs * 1000 && count < 1e7) count *= 2;
  for (let i = 0; i < 3; i++) measure(peerWork, count);
  const costs: number[] = [];
  const peerCosts: number[] = [];
  for (let round = 0; round < rounds; round++) {
    costs.push(measure(work, count));
    peerCosts.push(measure(peerWork, count));
  }
  const ratio = median(costs.map((cost, round) => cost / peerCosts[round]!));
  const cells = [name, median(costs).toFixed(3), peer, median(peerCosts).toFixed(3), ratio.toFixed(2)];
  console.log(`| ${cells.join(" | ")} |`);
}
if (sink === undefined) throw new Error("nothing ran");
