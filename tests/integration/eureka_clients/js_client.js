// eureka-js-client, unmodified, driven by lines: `see|statuses APP`, `vip NAME`, `beats`, `quit`; answers are JSON lines.
// usage: node js_client.js HOST:PORT SERVICE_PATH APP ID PORT delta|full   (NODE_PATH names the folder with the package)
"use strict";
const { Eureka } = require("eureka-js-client");
const readline = require("readline");

const [address, servicePath, app, instanceId, port, delta] = process.argv.slice(2);
const [host, registryPort] = address.split(":");
const quiet = { debug() {}, info() {}, warn: console.error, error: console.error };
const say = (fields) => console.log(JSON.stringify(fields));

const client = new Eureka({
  logger: quiet,
  shouldUseDelta: delta === "delta",
  instance: {
    app,
    instanceId,
    hostName: "127.0.0.1",
    ipAddr: "127.0.0.1",
    port: { $: Number(port), "@enabled": true },
    vipAddress: app,
    dataCenterInfo: { "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", name: "MyOwn" },
  },
  eureka: {
    host,
    port: Number(registryPort),
    servicePath,
    heartbeatInterval: 500,
    registryFetchInterval: 100,
    maxRetries: 1,
  },
});

client.start((error) => say(error ? { error: String(error) } : { event: "started" }));
client.on("heartbeat", () => { client.beats = (client.beats || 0) + 1; });

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const [command, argument] = line.trim().split(" ");
  if (command === "see") {
    say({ seen: client.getInstancesByAppId(argument).map((one) => one.instanceId).sort() });
  } else if (command === "statuses") {
    say({ statuses: client.getInstancesByAppId(argument).map((one) => one.status) });
  } else if (command === "vip") {
    say({ seen: client.getInstancesByVipAddress(argument).map((one) => one.instanceId).sort() });
  } else if (command === "beats") {
    say({ beats: client.beats || 0 });
  } else if (command === "quit") {
    client.stop((error) => { say(error ? { error: String(error) } : { event: "stopped" }); process.exit(0); });
  }
});
