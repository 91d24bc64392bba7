import { type Service, service } from "clew";
import { Greeter } from "../gen/bench/v1/bench_pb.ts";

export const greeter: Service = service(Greeter, { sayHello: ({ name }) => ({ message: `Hello ${name}` }) });
