/** The canister of the tests: at each path it answers in one way, truthfully or not. */

import { unescape } from "node:querystring";
import { deflateSync, gzipSync } from "node:zlib";
import { IDL } from "@icp-sdk/core/candid";
import {
  CANISTER,
  type Certified,
  certifying,
  type Headers,
  NOTHING,
  OTHER,
  type Signer,
  STRANGER,
  utf8,
  type Version2,
  version1,
  version2,
} from "./certified.ts";

const HeaderList = IDL.Vec(IDL.Tuple(IDL.Text, IDL.Text));
const Blob_ = IDL.Vec(IDL.Nat8);
const Request = IDL.Record({ method: IDL.Text, url: IDL.Text, headers: HeaderList, body: Blob_, certificate_version: IDL.Opt(IDL.Nat16) });
const Token = IDL.Record({ key: IDL.Text, part: IDL.Nat });
const Callback = IDL.Func([Token], [IDL.Record({ body: Blob_, token: IDL.Opt(Token) })], ["query"]);
const Answer = IDL.Record({
  status_code: IDL.Nat16,
  headers: HeaderList,
  body: Blob_,
  upgrade: IDL.Opt(IDL.Bool),
  streaming_strategy: IDL.Opt(IDL.Variant({ Callback: IDL.Record({ callback: Callback, token: Token }) })),
});

export const PAGE = "<!doctype html><title>Certified</title><p>certified text</p>";
/** What no page may ever show. */
export const TAMPERED = "tampered text";
const FORGED = PAGE.replace("certified text", TAMPERED);
/** Bytes of a range, and of a streamed part. */
const PART = 20;

interface Asked {
  method: string;
  path: string;
  query: string | undefined;
  headers: Headers;
  body: Uint8Array;
}

/** What is sent, which need not be what was certified. */
interface Sent extends Certified {
  upgrade?: boolean;
  streams?: boolean;
}

function encoded({ status, headers, body, upgrade, streams }: Sent, path: string): Uint8Array {
  const token = { key: path, part: 1n };
  const answer = {
    status_code: status,
    headers,
    body: streams ? body.slice(0, PART) : body,
    upgrade: upgrade === undefined ? [] : [upgrade],
    streaming_strategy: streams ? [{ Callback: { callback: [CANISTER, "more"], token } }] : [],
  };
  return new Uint8Array(IDL.encode([Answer], [answer]));
}

const SIGNERS: Record<string, Signer> = {
  "/stale": { age: 10 },
  "/early": { age: -10 },
  "/stranger": { key: STRANGER },
  "/delegated": { range: CANISTER },
  "/range": { range: OTHER },
};

/** As the library of canisters has it: without escapes and empty segments, but for the one that ends a folder's path. */
function segments(path: string): string[] {
  const plain = unescape(path);
  const filled = plain.split("/").filter((segment) => segment !== "");
  return plain.endsWith("/") ? [...filled, ""] : filled;
}

const exactly = (path: string) => ["http_expr", ...segments(path), "<$>"];
const below = (path: string) => ["http_expr", ...segments(path), "<*>"];

/** What is certified at a path, where it is not the page under its own path. */
function certifiedAt({ method, path, query, headers }: Asked): Certified {
  const answer: Certified = { status: 200, headers: [["content-type", "text/html"]], body: utf8(PAGE) };
  const add = (name: string, value: string) => answer.headers.push([name, value]);
  const pack = (encoding: string, body: Uint8Array) => {
    add("content-encoding", encoding);
    answer.body = body;
  };
  if (path === "/redirect") {
    answer.status = 302;
    add("location", "/v2");
  }
  if (path.startsWith("/gzip")) pack("gzip", gzipSync(PAGE));
  if (path.startsWith("/deflate")) pack("deflate", deflateSync(PAGE));
  if (path === "/gzip-cut") answer.body = answer.body.slice(0, -9);
  if (path === "/brotli") pack("br", utf8(PAGE));
  if (path.startsWith("/parts")) {
    const wanted = headers.find(([name]) => name === "range")?.[1];
    const from = Number(/^bytes=([0-9]+)-$/.exec(wanted ?? "bytes=0-")?.[1]);
    const whole = answer.body;
    answer.status = 206;
    answer.body = whole.slice(from, from + PART);
    add("content-range", `bytes ${from}-${from + answer.body.length - 1}/${whole.length}`);
  }
  if (path.startsWith("/asks")) answer.body = utf8(`${method} ${query} ${headers.find(([name]) => name === "x-want")?.[1]}`);
  return answer;
}

/** How version 2 certifies it, where it is not by the path itself, with the type and the location. */
function how({ method, path, query, headers, body }: Asked): Version2 {
  const plain = { expression: certifying({ only: ["content-type", "location", "content-encoding"] }), path: exactly(path) };
  if (path.startsWith("/below/")) {
    const at = { ...plain, path: below("/below") };
    if (path.endsWith("/shadowed")) return { ...at, beside: [exactly(path)] };
    if (path.endsWith("/longer/a")) return { ...at, beside: [below("/below/longer")] };
    if (path.endsWith("/beside")) return { ...at, beside: [exactly("/below/aside"), exactly("/below/zebra"), below("/below/aside")] };
    // A label between both kinds of end tells apart which of them is left out.
    const between = ["http_expr", ...segments(path), "<)"];
    if (path.endsWith("/left-out")) return { ...at, beside: [exactly(path)], pruned: between.slice(0, -1) };
    if (path.endsWith("/left-out-exactly")) return { ...at, beside: [exactly(path), between], pruned: exactly(path) };
    if (path.endsWith("/left-out-below")) return { ...at, beside: [below(path), between], pruned: below(path) };
    return at;
  }
  if (path === "/elsewhere") return { ...plain, path: below("/else") };
  if (path.startsWith("/all-but")) return { ...plain, expression: certifying({ but: ["x-uncertified"] }) };
  if (path.startsWith("/open")) return { ...plain, expression: NOTHING };
  const wanted = headers.filter(([name]) => name === "range" || name === "x-want");
  if (path.startsWith("/parts")) {
    const expression = certifying({ only: ["content-type", "content-range"] }, { headers: ["range"], parameters: [] });
    return { ...plain, expression, request: { headers: [...wanted, [":ic-cert-method", method]], body } };
  }
  if (path.startsWith("/asks")) {
    const parameters = query?.split("&").filter((pair) => /^[ab]=/.test(pair));
    const seen: Headers = [...wanted, [":ic-cert-method", method]];
    if (parameters?.length) seen.push([":ic-cert-query", parameters.join("&")]);
    const expression = certifying({ only: ["content-type"] }, { headers: ["X-Want"], parameters: ["a", "b"] });
    return { ...plain, expression, request: { headers: seen, body } };
  }
  return plain;
}

/** The headers that an expression names, or does not exclude. */
function seen(headers: Headers, { expression }: Version2): Headers {
  return expression.includes("exclusions") ? headers : headers.filter(([name]) => expression.includes(`"${name}"`));
}

/** The headers that certify an answer; where it is lied of the request, `asked` is the other one. */
async function certification(asked: Asked, answer: Certified, newest: number | undefined): Promise<Headers> {
  const { path } = asked;
  const signer = SIGNERS[path] ?? {};
  if (path === "/bare") return [];
  if (path.endsWith("v1") || newest !== 2) return version1(path, path === "/gzip-unpacked-v1" ? utf8(PAGE) : answer.body, signer);
  const certify = (of: Certified) => version2({ ...of, headers: seen(of.headers, how(asked)) }, how(asked), signer);
  const truth = await certify(answer);
  if (path !== "/tree") return truth;
  // A tree of the liar's own, beside the true certificate.
  const certificate = /certificate=:[^:]*:/;
  const true_ = certificate.exec(truth[0]?.[1] ?? "")?.[0] ?? "";
  return (await certify({ ...answer, body: utf8(FORGED) })).map(([name, value]) => [name, value.replace(certificate, true_)]);
}

/** What a liar makes of the answer; the first word of the path says what is wrong with it. */
function changed(path: string, sent: Sent): Sent {
  const { headers } = sent;
  const certificate = headers.findIndex(([name]) => name === "IC-Certificate");
  const replace = (was: RegExp, by: string) => {
    headers[certificate] = ["IC-Certificate", (headers[certificate]?.[1] ?? "").replace(was, by)];
  };
  if (["/body", "/body-v1", "/bare", "/tree"].includes(path)) return { ...sent, body: utf8(FORGED) };
  if (path === "/gzip-tampered" || path === "/gzip-tampered-v1") return { ...sent, body: gzipSync(FORGED) };
  if (path === "/header") headers[0] = ["content-type", "text/plain"];
  if (path === "/status" || path === "/open" || path === "/all-but") headers.push(["x-uncertified", TAMPERED]);
  if (path === "/all-but-changed") headers.push(["x-certified", TAMPERED]);
  if (path === "/open-bare") headers.splice(-1);
  if (path === "/open-other") headers.splice(-1, 1, ["IC-CertificateExpression", certifying({ only: [] })]);
  if (path === "/closed") headers.splice(-1, 1, ["IC-CertificateExpression", NOTHING]);
  if (path === "/two-expressions") headers.push(["IC-CertificateExpression", NOTHING]);
  if (path === "/certificate") replace(/.{8}(?=:, tree)/, "AAAAAAAA");
  if (path === "/future-v1") replace(/$/, ", version=3");
  if (path === "/parts-tampered" && headers.some(([, value]) => value.startsWith("bytes 20-"))) {
    return { ...sent, body: sent.body.map((byte) => byte ^ 1) };
  }
  if (path === "/code") return { ...sent, status: 201 };
  if (path === "/stream" || path === "/stream-tampered") return { ...sent, streams: true };
  return sent;
}

interface Request_ {
  method: string;
  url: string;
  headers: Headers;
  body: Uint8Array;
  /** The newest that who asks can verify; version 1, when nothing is said. */
  certificate_version: [] | [number];
}

export const requestOf = (argument: Uint8Array) => IDL.decode([Request], argument)[0] as unknown as Request_;

/** The answer to http_request. */
export async function httpRequest(argument: Uint8Array): Promise<Uint8Array> {
  const { method, url, headers, body, certificate_version: newest } = requestOf(argument);
  const [path = "", query] = url.split("?");
  let asked: Asked = { method, path, query, headers, body: Uint8Array.from(body) };
  if (path.startsWith("/update")) return encoded({ status: 200, headers: [], body: utf8(TAMPERED), upgrade: true }, path);
  // What was certified for another request.
  if (path === "/asks-other-header") asked = { ...asked, headers: [["x-want", "another"]] };
  if (path === "/asks-other-parameter") asked = { ...asked, query: "a=9" };
  if (path === "/asks-other-method") asked = { ...asked, method: "HEAD" };
  if (path === "/asks-other-body") asked = { ...asked, body: utf8("another") };
  if (path === "/parts-again") asked = { ...asked, headers: [] };
  const answer = certifiedAt(asked);
  const certified = await certification(asked, answer, newest[0]);
  return encoded(changed(path, { ...answer, headers: [...answer.headers, ...certified] }), path);
}

/** The answer to the streaming callback. */
export function more(argument: Uint8Array): Uint8Array {
  const { key, part } = IDL.decode([Token], argument)[0] as unknown as { key: string; part: bigint };
  const from = Number(part) * PART;
  let body = utf8(PAGE).slice(from, from + PART);
  if (key === "/stream-tampered" && part === 2n) body = utf8(TAMPERED);
  const token = from + PART < PAGE.length ? [{ key, part: part + 1n }] : [];
  return new Uint8Array(IDL.encode([IDL.Record({ body: Blob_, token: IDL.Opt(Token) })], [{ body, token }]));
}

/** The answer to http_request_update: what it was asked with comes back. */
export function httpRequestUpdate(argument: Uint8Array): Uint8Array {
  const { method, url, headers, body } = requestOf(argument);
  const said = `${method} ${url} ${Buffer.from(body).toString()} ${headers.find(([name]) => name === "x-want")?.[1]}`;
  const answer = { status: 201, headers: [["content-type", "text/plain"]] as Headers, body: utf8(said) };
  return encoded({ ...answer, upgrade: url === "/update-again", streams: url === "/update-streams" }, url);
}
