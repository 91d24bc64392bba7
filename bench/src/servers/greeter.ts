import { type Service, service } from "clew";
import { Greeter } from "../gen/bench/v1/bench_pb.ts";

/** What every server of ours serves. */
export const greeter: Service = service(Greeter, {
  sayHello: ({ name }) => ({ message: `Hello ${name}` }),
  echo: ({ data }) => ({ data }),
  async *repeat({ data, count }) {
    for (let i = 0; i < count; i++) yield { data };
  },
});
