import { type Service, service } from "clew";
import { WebGreeter } from "../gen/bench/v1/web_pb.ts";

/** What servers of HTTP serve: a greeter whose requests have rules. */
export const webGreeter: Service = service(WebGreeter, {
  sayHello: ({ name }) => ({ message: `Hello ${name}` }),
});
