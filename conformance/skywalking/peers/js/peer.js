// A service with SkyWalking's agent for Node that passes calls on over HTTP; see ../../../traces/proto/relay/v1/relay.proto.
const { default: agent } = require("skywalking-backend-js");

agent.start();

const http = require("node:http");

// The agent has no correlation, so it sees none.
const seen = `${process.env.SW_AGENT_NAME}:`;

function get(url) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => {
        if (response.statusCode === 200) resolve(JSON.parse(text).hops);
        else reject(new Error(`HTTP ${response.statusCode}`));
      });
    });
    request.on("error", reject);
    request.end();
  });
}

async function pass(route) {
  if (route === "") return seen;
  const [next, ...rest] = route.split(",");
  const [, address] = next.split("=");
  return `${await get(`http://${address}/relay?route=${encodeURIComponent(rest.join(","))}`)} ${seen}`;
}

const server = http.createServer();
server.on("request", (request, response) => {
  pass(new URL(request.url, "http://here").searchParams.get("route") ?? "").then(
    (hops) => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ hops }));
    },
    (error) => {
      response.statusCode = 500;
      response.end(String(error));
    },
  );
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ http: `127.0.0.1:${server.address().port}` })));

// Whoever started it ends it by closing its input.
process.stdin.resume().on("end", () => process.exit());
