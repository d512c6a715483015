/** A gateway with a replica behind it: the web root, and a canister whose answers are certified with a key of this test. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { Cbor } from "@icp-sdk/core/agent";
import { IDL } from "@icp-sdk/core/candid";
import { Principal } from "@icp-sdk/core/principal";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { reconstruct } from "@icp-sdk/core/agent";

const bls = bls12_381.shortSignatures;
const DER = Buffer.from("308182301d060d2b0601040182dc7c0503010201060c2b0601040182dc7c05030201036100", "hex");
const utf8 = (text: string) => new TextEncoder().encode(text);
const secret = (last: number) => Uint8Array.from({ length: 32 }, (_, i) => (i === 31 ? last : 1));
const ROOT = secret(1);
const SUBNET = secret(2);
const STRANGER = secret(3);
const der = (key: Uint8Array) => Uint8Array.from([...DER, ...bls.getPublicKey(key).toBytes()]);

export const CANISTER = Principal.fromUint8Array(Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 7, 1, 1]));
const OTHER = Principal.fromUint8Array(Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 9, 1, 1]));
const SUBNET_ID = Principal.selfAuthenticating(der(SUBNET));

type Tree = [0] | [1, Tree, Tree] | [2, Uint8Array, Tree] | [3, Uint8Array];
type Branch = [Uint8Array, Tree];

const leaf = (value: Uint8Array): Tree => [3, value];
const at = (path: (string | Uint8Array)[], tree: Tree): Tree =>
  path.reduceRight<Tree>((inner, label) => [2, typeof label === "string" ? utf8(label) : label, inner], tree);
function fork(branches: Branch[]): Tree {
  const sorted = [...branches].sort(([a], [b]) => Buffer.compare(a, b)).map(([label, tree]): Tree => [2, label, tree]);
  return sorted.reduceRight((right, left): Tree => [1, left, right]);
}

function leb128(value: bigint): Uint8Array {
  const out: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 0x80n) return Uint8Array.from([...out, Number(rest)]);
    out.push(Number(rest & 0x7fn) | 0x80);
  }
}

async function signed(tree: Tree, key: Uint8Array, delegation?: object): Promise<Uint8Array> {
  const message = Uint8Array.from([13, ...utf8("ic-state-root"), ...(await reconstruct(tree as never))]);
  const signature = bls.sign(bls.hash(message), key).toBytes();
  return Cbor.encode({ tree, signature, ...(delegation && { delegation }) });
}

export interface Kind {
  version: 1 | 2;
  key?: Uint8Array;
  /** Minutes that the certificate is old. */
  age?: number;
  /** Whose canisters the subnet may certify, when there is a delegation. */
  range?: Principal;
}

const EXPRESSION =
  "default_certification(ValidationArgs{certification:Certification{no_request_certification:Empty{}," +
  'response_certification:ResponseCertification{certified_response_headers:ResponseHeaderList{headers:["content-type","location"]}}}})';

function mapHash(map: [string, string | Uint8Array][]): Uint8Array {
  const hash = (value: string | Uint8Array) => sha256(typeof value === "string" ? utf8(value) : value);
  const pairs = map.map(([name, value]) => Buffer.concat([hash(name), hash(value)])).sort(Buffer.compare);
  return sha256(Buffer.concat(pairs));
}

/** The headers that certify an answer. */
async function certification(path: string, status: number, type: [string, string][], body: Uint8Array, kind: Kind) {
  let tree: Tree;
  let rest = "";
  const base64 = (bytes: Uint8Array) => `:${Buffer.from(bytes).toString("base64")}:`;
  if (kind.version === 2) {
    const expr = ["http_expr", ...path.slice(1).split("/"), "<$>"];
    const map = mapHash([...type, ["ic-certificateexpression", EXPRESSION], [":ic-cert-status", leb128(BigInt(status))]]);
    tree = at([...expr, sha256(utf8(EXPRESSION)), "", sha256(Buffer.concat([map, sha256(body)]))], leaf(new Uint8Array()));
    rest = `, expr_path=${base64(Cbor.encode(expr))}, version=2`;
  } else {
    tree = at(["http_assets", path], leaf(sha256(body)));
  }
  const time = BigInt(Date.now() - (kind.age ?? 0) * 60_000) * 1_000_000n;
  const data = at([CANISTER.toUint8Array(), "certified_data"], leaf(await reconstruct(tree as never)));
  const state = fork([
    [utf8("canister"), data],
    [utf8("time"), leaf(leb128(time))],
  ]);
  let delegation: object | undefined;
  if (kind.range) {
    const range = kind.range.toUint8Array();
    const subnet = fork([
      [utf8("canister_ranges"), leaf(Cbor.encode([[range, range]]))],
      [utf8("public_key"), leaf(der(SUBNET))],
    ]);
    const certificate = await signed(
      fork([
        [utf8("subnet"), at([SUBNET_ID.toUint8Array()], subnet)],
        [utf8("time"), leaf(leb128(time))],
      ]),
      ROOT,
    );
    delegation = { subnet_id: SUBNET_ID.toUint8Array(), certificate };
  }
  const certificate = await signed(state, kind.range ? SUBNET : (kind.key ?? ROOT), delegation);
  const headers: [string, string][] = [["IC-Certificate", `certificate=${base64(certificate)}, tree=${base64(Cbor.encode(tree))}${rest}`]];
  if (kind.version === 2) headers.push(["IC-CertificateExpression", EXPRESSION]);
  return headers;
}

const Headers = IDL.Vec(IDL.Tuple(IDL.Text, IDL.Text));
const Blob_ = IDL.Vec(IDL.Nat8);
const Request = IDL.Record({ method: IDL.Text, url: IDL.Text, headers: Headers, body: Blob_ });
const Token = IDL.Record({ key: IDL.Text, part: IDL.Nat });
const Callback = IDL.Func([Token], [IDL.Record({ body: Blob_, token: IDL.Opt(Token) })], ["query"]);
const Answer = IDL.Record({
  status_code: IDL.Nat16,
  headers: Headers,
  body: Blob_,
  streaming_strategy: IDL.Opt(IDL.Variant({ Callback: IDL.Record({ callback: Callback, token: Token }) })),
});

const PAGE = "<!doctype html><title>Certified</title><p>certified text</p>";
/** What no page may ever show. */
export const TAMPERED = "tampered text";

/** What the canister answers at a path; the first word of the path says what is wrong with it. */
async function httpRequest(url: string): Promise<Uint8Array> {
  const path = url.split("?")[0] ?? "";
  const kinds: Record<string, Kind> = {
    "/v1": { version: 1 },
    "/stale": { version: 2, age: 10 },
    "/early": { version: 2, age: -10 },
    "/stranger": { version: 2, key: STRANGER },
    "/delegated": { version: 2, range: CANISTER },
    "/range": { version: 2, range: OTHER },
  };
  const kind = kinds[path] ?? { version: path.endsWith("-v1") ? 1 : 2 };
  const status = path === "/redirect" ? 302 : 200;
  const type: [string, string][] = [["content-type", "text/html"]];
  if (path === "/redirect") type.push(["location", "/v2"]);
  const body = utf8(PAGE);
  const certified = path.startsWith("/bare") ? [] : await certification(path, status, type, body, kind);
  const headers = [...type, ...certified];
  let sent = body;
  if (["/body", "/body-v1", "/bare"].includes(path)) sent = utf8(PAGE.replace("certified text", TAMPERED));
  if (path === "/header") headers[0] = ["content-type", "text/plain"];
  if (path === "/status") headers.push(["x-uncertified", TAMPERED]);
  if (path === "/certificate") headers[1] = ["IC-Certificate", (headers[1]?.[1] ?? "").replace(/.{8}(?=:, tree)/, "AAAAAAAA")];
  const stream = path === "/stream" || path === "/stream-tampered";
  const token = { key: path, part: 1n };
  return new Uint8Array(
    IDL.encode(
      [Answer],
      [
        {
          status_code: path === "/code" ? 201 : status,
          headers,
          body: stream ? sent.slice(0, 20) : sent,
          streaming_strategy: stream ? [{ Callback: { callback: [CANISTER, "more"], token } }] : [],
        },
      ],
    ),
  );
}

function more(argument: Uint8Array): Uint8Array {
  const { key, part } = IDL.decode([Token], argument)[0] as unknown as { key: string; part: bigint };
  const from = Number(part) * 20;
  let body = utf8(PAGE).slice(from, from + 20);
  if (key === "/stream-tampered" && part === 2n) body = utf8(TAMPERED);
  const token = from + 20 < PAGE.length ? [{ key, part: part + 1n }] : [];
  return new Uint8Array(IDL.encode([IDL.Record({ body: Blob_, token: IDL.Opt(Token) })], [{ body, token }]));
}

async function read(request: IncomingMessage): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

async function api(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { content } = Cbor.decode<{ content: { method_name: string; arg: Uint8Array } }>(new Uint8Array(await read(request)));
  let arg: Uint8Array;
  if (content.method_name === "more") {
    arg = more(content.arg);
  } else {
    const { url } = IDL.decode([Request], content.arg)[0] as unknown as { url: string };
    if (url === "/silent") return;
    if (url === "/offline") return void request.socket.destroy();
    if (url === "/down") return void response.writeHead(503).end(TAMPERED);
    if (url === "/garbage") return void response.end(TAMPERED);
    if (url === "/cbor") return void response.end(Uint8Array.from([0xa1, 0x61]));
    if (url === "/candid") {
      return void response.end(Cbor.encode({ status: "replied", reply: { arg: utf8(TAMPERED) }, signatures: [] }));
    }
    if (url === "/rejected") {
      const rejection = { status: "rejected", reject_code: 5, reject_message: TAMPERED, error_code: "IC0503", signatures: [] };
      return void response.end(Cbor.encode(rejection));
    }
    arg = await httpRequest(url);
  }
  response.end(Cbor.encode({ status: "replied", reply: { arg }, signatures: [] }));
}

const TYPES: Record<string, string> = { html: "text/html", js: "text/javascript", json: "application/json" };

/** As nginx of the image does it: exact files, index.html for any other page, and the API. */
export async function serve(webRoot: string, timeout: number): Promise<{ server: Server; port: number }> {
  const server = createServer((request, response) => {
    const path = (request.url ?? "").split("?")[0] ?? "";
    if (path.startsWith("/api/")) return void api(request, response).catch((error: unknown) => response.destroy(error as Error));
    if (path === "/ic-gateway.json") {
      return void response.end(JSON.stringify({ root_key: Buffer.from(der(ROOT)).toString("hex"), timeout_ms: timeout }));
    }
    const file = ["/sw.js", "/install-worker.js", "/service-worker.json"].includes(path) ? path.slice(1) : "index.html";
    response.setHeader("content-type", TYPES[file.split(".").at(-1) ?? ""] ?? "");
    response.end(readFileSync(`${webRoot}/${file}`));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, port: (server.address() as AddressInfo).port };
}
