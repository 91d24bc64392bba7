import fastify from "fastify";

const app = fastify();
const params = { type: "object", properties: { name: { type: "string" } } };
const reply = { type: "object", properties: { message: { type: "string" } } };
app.get<{ Params: { name: string } }>(
  "/helloworld/:name",
  { schema: { params, response: { 200: reply } } },
  async (request) => ({ message: `Hello ${request.params.name}` }),
);
const address = await app.listen({ port: 0, host: "127.0.0.1" });
console.log(`listening ${new URL(address).port}`);
