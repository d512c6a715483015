/**
 * A replica whose answers are certified, at the address where the gateway's nginx asks it.
 *
 *     certified_replica ADDRESS PORT
 *
 * When it listens it prints the root key of its network, DER in hexadecimal digits. It ends when it is killed. For any other
 * canister than its own it answers without a status line, which is no HTTP.
 */

import { createServer } from "node:http";
import { Cbor } from "@icp-sdk/core/agent";
import { CANISTER, serve } from "../../../typescript/service-worker/tests/replica.ts";

const STATUS = "/api/v2/status";
const [address, port] = process.argv.slice(2);

// It has a web root as well, which nobody asks for here: nginx has the image's.
const canister = await serve("/nonexistent", 0);
const settings = await fetch(`http://127.0.0.1:${canister.port}/ic-gateway.json`);
const { root_key: rootKey } = (await settings.json()) as { root_key: string };

createServer((request, response) => {
  if (request.url === STATUS) response.end(Cbor.encode({ replica_health_status: "healthy" }));
  else if (request.url?.includes(`/${CANISTER.toText()}/`)) canister.server.emit("request", request, response);
  else request.socket.end("this is no HTTP\r\n\r\n");
}).listen(Number(port), address, () => process.stdout.write(`${rootKey}\n`));
