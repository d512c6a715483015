/** A gateway with a replica behind it: the web root, and the API (Interface Specification, HTTPS Interface) of one canister. */

import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Cbor, requestIdOf } from "@icp-sdk/core/agent";
import { httpRequest, httpRequestUpdate, more, requestOf, TAMPERED } from "./canister.ts";
import { certificate, OTHER, ROOT_KEY, type Signer, STRANGER, utf8 } from "./certified.ts";

export { PAGE, TAMPERED } from "./canister.ts";
export { CANISTER, ROOT_KEY, STRANGER_KEY } from "./certified.ts";

interface Content {
  request_type: string;
  method_name: string;
  arg: Uint8Array;
  paths: Uint8Array[][];
}

/** A call that was taken: what it was, and how often somebody asked what became of it. */
interface Call {
  url: string;
  id: Uint8Array;
  reply: Uint8Array;
  asked: number;
}

async function read(request: IncomingMessage): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return new Uint8Array(Buffer.concat(parts));
}

async function query({ method_name: method, arg }: Content, response: ServerResponse): Promise<void> {
  const replied = (reply: Uint8Array) => response.end(Cbor.encode({ status: "replied", reply: { arg: reply }, signatures: [] }));
  if (method === "more") return void replied(more(arg));
  const { url } = requestOf(arg);
  if (url === "/silent") return;
  if (url === "/offline") return void response.destroy();
  if (url === "/down") return void response.writeHead(503).end(TAMPERED);
  if (url === "/garbage") return void response.end(TAMPERED);
  if (url === "/cbor") return void response.end(Uint8Array.from([0xa1, 0x61]));
  if (url === "/candid") return void replied(utf8(TAMPERED));
  if (url === "/rejected") {
    const rejection = { status: "rejected", reject_code: 5, reject_message: TAMPERED, error_code: "IC0503", signatures: [] };
    return void response.end(Cbor.encode(rejection));
  }
  replied(await httpRequest(arg));
}

const SIGNERS: Record<string, Signer> = {
  "/update-forged": { key: STRANGER },
  "/update-stale": { age: 10 },
  "/update-range": { range: OTHER },
};

/** What a certificate says of a call. */
async function outcome({ url, id, reply }: Call): Promise<Uint8Array> {
  const leaf = (name: string, value: string | Uint8Array): [(string | Uint8Array)[], Uint8Array] => [
    ["request_status", id, name],
    typeof value === "string" ? utf8(value) : value,
  ];
  const rejected = url.startsWith("/update-rejected");
  const said = rejected
    ? [leaf("status", "rejected"), leaf("reject_code", Uint8Array.of(4)), leaf("reject_message", TAMPERED)]
    : [leaf("status", "replied"), leaf("reply", reply)];
  const bytes = await certificate(said, SIGNERS[url]);
  if (url !== "/update-changed") return bytes;
  // Somebody on the way: as many bytes, so that it is CBOR still.
  return Uint8Array.from(Buffer.from(Buffer.from(bytes).toString("latin1").replace("POST", "EVIL"), "latin1"));
}

/** One replica: it remembers the calls that it took. */
class Replica {
  readonly #calls = new Map<string, Call>();

  async #call(content: Content, version: string, response: ServerResponse): Promise<void> {
    const { url } = requestOf(content.arg);
    if (url === "/update-old" && version !== "v2") return void response.writeHead(404).end();
    if (url === "/update-down") return void response.writeHead(503).end(TAMPERED);
    if (url === "/update-silent") return;
    if (url === "/update-refused") {
      const rejection = { status: "non_replicated_rejection", reject_code: 4, reject_message: TAMPERED, error_code: "IC0406" };
      return void response.end(Cbor.encode(rejection));
    }
    const call = { url, id: new Uint8Array(requestIdOf({ ...content })), reply: httpRequestUpdate(content.arg), asked: 0 };
    this.#calls.set(Buffer.from(call.id).toString("hex"), call);
    if (url.endsWith("-polled") || url === "/update-endless" || version === "v2") return void response.writeHead(202).end();
    response.end(Cbor.encode({ status: "replied", certificate: await outcome(call) }));
  }

  async #readState({ paths }: Content, response: ServerResponse): Promise<void> {
    const id = paths.find(([root]) => root && Buffer.from(root).toString() === "request_status")?.[1];
    const call = id && this.#calls.get(Buffer.from(id).toString("hex"));
    let state = await certificate([]);
    if (id && call) {
      const processing = call.url === "/update-endless" || (call.asked++ === 0 && call.url === "/update-polled");
      state = processing ? await certificate([[["request_status", id, "status"], utf8("processing")]]) : await outcome(call);
    }
    response.end(Cbor.encode({ certificate: state }));
  }

  async answer(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, version = "", what = ""] = /^\/api\/(v[234])\/canister\/[a-z0-9-]+\/(query|call|read_state)$/.exec(path) ?? [];
    const body = await read(request);
    let content: Content;
    try {
      ({ content } = Cbor.decode<{ content: Content }>(body));
    } catch {
      return void response.writeHead(400).end("the request is no CBOR");
    }
    if (what === "query") return query(content, response);
    if (what === "call") return this.#call(content, version, response);
    if (what === "read_state") return this.#readState(content, response);
    response.writeHead(404).end();
  }
}

const TYPES: Record<string, string> = { html: "text/html", js: "text/javascript", json: "application/json" };

/** What of a gateway a test may change while it runs. */
export interface Gateway {
  /** `/ic-gateway.json`; undefined: there is none. */
  settings: string | undefined;
  /** Stands behind the program in `/sw.js`. */
  addition: string;
  /** Paths that were asked for, but for the API's. */
  readonly asked: string[];
}

export const settingsWith = (key: Uint8Array, timeout: number) =>
  JSON.stringify({ root_key: Buffer.from(key).toString("hex"), timeout_ms: timeout });

/** As nginx of the image does it: exact files, index.html for any other page, and the API. */
export async function serve(webRoot: string, timeout: number): Promise<{ server: Server; port: number; gateway: Gateway }> {
  const replica = new Replica();
  const gateway: Gateway = { settings: settingsWith(ROOT_KEY, timeout), addition: "", asked: [] };
  const server = createServer((request, response) => {
    const path = (request.url ?? "").split("?")[0] ?? "";
    if (path.startsWith("/api/")) {
      return void replica.answer(path, request, response).catch((error: unknown) => {
        console.error(error);
        response.writeHead(500).end();
      });
    }
    gateway.asked.push(path);
    if (path === "/ic-gateway.json") return void response.writeHead(gateway.settings === undefined ? 404 : 200).end(gateway.settings);
    const file = ["/sw.js", "/install-worker.js", "/service-worker.json"].includes(path) ? path.slice(1) : "index.html";
    response.setHeader("content-type", TYPES[file.split(".").at(-1) ?? ""] ?? "");
    response.write(readFileSync(`${webRoot}/${file}`));
    response.end(path === "/sw.js" ? gateway.addition : "");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, port: (server.address() as AddressInfo).port, gateway };
}
