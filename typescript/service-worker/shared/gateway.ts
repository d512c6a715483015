/**
 * The HTTP gateway protocol: a request becomes a query of the canister's http_request, and its answer a response,
 * once it is verified. Who encodes, asks and verifies is behind `Canister`; the two workers differ there.
 */

import { Refusal, refuseWith } from "./refusal.ts";

export type Headers_ = [string, string][];
export type Bytes = Uint8Array<ArrayBuffer>;

export interface HttpRequest {
  method: string;
  /** Path and query. */
  url: string;
  headers: Headers_;
  body: Bytes;
}

export interface Chunk {
  body: Bytes;
  /** Asks for what follows. */
  next?: (() => Promise<Chunk>) | undefined;
}

export interface HttpResponse extends Chunk {
  status: number;
  headers: Headers_;
  upgrade: boolean;
}

export interface Verified {
  status: number;
  headers: Headers_;
}

export interface Canister {
  /** Query http_request: nobody but `verify` vouches for the answer. */
  query(request: HttpRequest): Promise<HttpResponse>;
  /** Update call http_request_update: the subnet vouches for the answer, which comes back verified. */
  update(request: HttpRequest): Promise<HttpResponse>;
  /** What of the response is certified; throws when its body, or anything that should be certified, is not. */
  verify(request: HttpRequest, response: HttpResponse): Promise<Verified>;
}

export const MAXIMUM_REQUEST = 2 * 1024 * 1024;
/** A response is held until it is verified, so its size has a limit. */
export const MAXIMUM_RESPONSE = 256 * 1024 * 1024;
export const MAXIMUM_CHUNKS = 1000;

/** Headers that are the transport's, or the verifier's, and none of the page's business. */
const WITHHELD = new Set([
  "connection",
  "content-encoding",
  "content-length",
  "ic-certificate",
  "ic-certificateexpression",
  "keep-alive",
  "set-cookie",
  "transfer-encoding",
]);
const BODILESS = new Set([101, 204, 205, 304]);
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export function header(headers: Headers_, name: string): string | undefined {
  return headers.find(([key]) => key.toLowerCase() === name)?.[1];
}

function concatenated(parts: readonly Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** The whole body of a streamed answer: certified is all of it, so nothing is handed on before its end. */
async function whole(first: Chunk): Promise<Bytes> {
  const parts = [first.body];
  let size = first.body.length;
  for (let next = first.next; next;) {
    if (parts.length >= MAXIMUM_CHUNKS) throw new Refusal("garbage", "The answer comes in too many parts.");
    const chunk = await next();
    parts.push(chunk.body);
    size += chunk.body.length;
    if (size > MAXIMUM_RESPONSE) throw new Refusal("garbage", "The answer is too large to be verified here.");
    next = chunk.next;
  }
  return parts.length === 1 ? first.body : concatenated(parts);
}

/** The body as the page wants it. A response that a worker makes is not decoded by the browser. */
async function decoded(body: Bytes, encoding: string): Promise<Bytes> {
  const name = encoding.trim().toLowerCase();
  if (name === "" || name === "identity") return body;
  if (name !== "gzip" && name !== "deflate") {
    throw new Refusal("garbage", "The answer's content encoding is none that was asked for.");
  }
  return refuseWith("garbage", "The answer's content encoding is damaged.", async () => {
    const reader = new Blob([body]).stream().pipeThrough(new DecompressionStream(name)).getReader();
    const parts: Uint8Array[] = [];
    let size = 0;
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      size += part.value.length;
      if (size > MAXIMUM_RESPONSE) throw new Refusal("garbage", "The answer is too large when unpacked.");
    }
    return concatenated(parts);
  });
}

async function httpRequest(request: Request, url: URL): Promise<HttpRequest> {
  const headers: Headers_ = [["host", url.host]];
  for (const [name, value] of request.headers) {
    if (name !== "host" && name !== "accept-encoding") headers.push([name, value]);
  }
  // What the browser would accept it does not say here; this is what `decoded` can do.
  headers.push(["accept-encoding", "gzip, deflate, identity"]);
  const body = request.method === "POST" ? new Uint8Array(await request.arrayBuffer()) : new Uint8Array();
  if (body.length > MAXIMUM_REQUEST) throw new Refusal("too-large", "The request's body is larger than 2 MiB.");
  return { method: request.method, url: url.pathname + url.search, headers, body };
}

function isInteger(text: string | undefined): number {
  return text !== undefined && /^[0-9]{1,12}$/.test(text) ? Number(text) : NaN;
}

/** One answer, verified. */
async function verified(canister: Canister, request: HttpRequest): Promise<Verified & { body: Bytes }> {
  const answer = await canister.query(request);
  if (answer.upgrade) {
    const result = await canister.update(request);
    // Its further parts would be queries that nobody certifies; and there is no second upgrade.
    if (result.next || result.upgrade) throw new Refusal("unverified", "The answer to an update call is not whole.");
    return { status: result.status, headers: result.headers, body: result.body };
  }
  const body = await whole(answer);
  const { status, headers } = await canister.verify(request, { ...answer, body, next: undefined });
  return { status, headers, body };
}

/**
 * A large asset comes in ranges that are certified one by one, though the page asked for all of it. The answer is then
 * put together here (HTTP gateway protocol, range requests).
 */
async function assembled(canister: Canister, request: HttpRequest): Promise<Verified & { body: Bytes }> {
  const first = await verified(canister, request);
  if (first.status !== 206 || header(request.headers, "range") !== undefined || request.method !== "GET") return first;
  const parts: Bytes[] = [];
  let part = first;
  let at = 0;
  let total = NaN;
  while (true) {
    const match = /^bytes ([0-9]+)-([0-9]+)\/([0-9]+)$/.exec(header(part.headers, "content-range") ?? "");
    const [start, end, size] = [isInteger(match?.[1]), isInteger(match?.[2]), isInteger(match?.[3])];
    const fits = part.status === 206 && start === at && end + 1 - start === part.body.length && end < size;
    if (!fits || (parts.length > 0 && size !== total) || part.body.length === 0) {
      throw new Refusal("unverified", "The ranges of the answer do not fit each other.");
    }
    total = size;
    at = end + 1;
    parts.push(part.body);
    if (at === total) break;
    if (total > MAXIMUM_RESPONSE || parts.length >= MAXIMUM_CHUNKS) {
      throw new Refusal("garbage", "The answer is too large to be verified here.");
    }
    part = await verified(canister, { ...request, headers: [...request.headers, ["range", `bytes=${at}-`]] });
    // All parts are of one version of the asset.
    if (header(part.headers, "etag") !== header(first.headers, "etag")) {
      throw new Refusal("unverified", "The ranges of the answer are of different assets.");
    }
  }
  const headers = first.headers.filter(([name]) => name.toLowerCase() !== "content-range");
  return { status: 200, headers, body: concatenated(parts) };
}

/** Answers a page's request with what the canister certified, or throws a Refusal. */
export async function answer(canister: Canister, request: Request): Promise<Response> {
  const url = new URL(request.url);
  const { status, headers, body } = await assembled(canister, await httpRequest(request, url));
  const out = new Headers();
  for (const [name, value] of headers) {
    if (WITHHELD.has(name.toLowerCase())) continue;
    await refuseWith("garbage", "A header of the answer is malformed.", () => out.append(name, value));
  }
  if (REDIRECTS.has(status)) {
    const location = header(headers, "location");
    const target = location !== undefined && URL.canParse(location, url) ? new URL(location, url) : undefined;
    if (!target || !/^https?:$/.test(target.protocol)) {
      throw new Refusal("garbage", "The answer redirects to something that is no web address.");
    }
    out.set("location", target.href);
  }
  if (status < 200 || status > 599) throw new Refusal("garbage", "The answer's status is none of HTTP's.");
  const bare = request.method === "HEAD" || BODILESS.has(status);
  const content = bare ? null : await decoded(body, header(headers, "content-encoding") ?? "");
  return new Response(content, { status, headers: out });
}
