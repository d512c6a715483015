/**
 * Response verification, versions 1 and 2 (HTTP gateway protocol), of this repository's own. The certificate itself, its
 * signature, delegation, canister ranges and time are checked by the agent's `Certificate`.
 */

import { Cbor, Certificate, reconstruct } from "@icp-sdk/core/agent";
import { Principal } from "@icp-sdk/core/principal";
import { sha256 } from "@noble/hashes/sha2.js";
import type { Verify } from "../shared/canister.ts";
import { vouchedFor } from "../shared/certified.ts";
import { type Headers_, type HttpRequest, type HttpResponse, type Verified, header } from "../shared/gateway.ts";
import { type Certification, parseExpression } from "./cel.ts";
import { compare, leaf, lookup, type Tree } from "./tree.ts";

const EXPRESSION = "ic-certificateexpression";
const text = new TextEncoder();

function refuse(why: string): never {
  throw new Error(why);
}

function joined(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** The fields of IC-Certificate: `name=:base64:`, and the version as a number. */
export function certificateFields(value: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const field of value.split(",")) {
    const match = /^\s*([a-z_]+)=(?::([A-Za-z0-9+/=]*):|([0-9]+))\s*$/.exec(field);
    if (!match?.[1] || fields.has(match[1])) refuse("IC-Certificate is malformed");
    fields.set(match[1], match[2] ?? match[3] ?? "");
  }
  return fields;
}

function bytes(fields: Map<string, string>, name: string): Uint8Array {
  return Uint8Array.from(atob(fields.get(name) ?? refuse(`IC-Certificate has no ${name}`)), (c) => c.charCodeAt(0));
}

function leb128(value: number): Uint8Array {
  const out: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Uint8Array.from([...out, rest]);
    out.push((rest & 0x7f) | 0x80);
  }
}

/** Representation-independent hash of a map. */
function mapHash(map: readonly (readonly [string, string | number])[]): Uint8Array {
  const pairs = map.map(([key, value]) =>
    joined(sha256(text.encode(key)), sha256(typeof value === "number" ? leb128(value) : text.encode(value))),
  );
  return sha256(joined(...pairs.sort(compare)));
}

export function certifiedHeaders(headers: Headers_, { only, headers: listed }: Certification["response"]): Headers_ {
  return headers.filter(([name]) => {
    const key = name.toLowerCase();
    return key !== "ic-certificate" && key !== EXPRESSION && listed.includes(key) === only;
  });
}

export function responseHash(response: HttpResponse, certified: Headers_, expression: string): Uint8Array {
  const map: [string, string | number][] = certified.map(([name, value]) => [name.toLowerCase(), value]);
  map.push([EXPRESSION, expression], [":ic-cert-status", response.status]);
  return sha256(joined(mapHash(map), sha256(response.body)));
}

export function requestHash(request: HttpRequest, { headers, parameters }: NonNullable<Certification["request"]>): Uint8Array {
  const map: [string, string][] = request.headers
    .map(([name, value]): [string, string] => [name.toLowerCase(), value])
    .filter(([name]) => headers.includes(name));
  map.push([":ic-cert-method", request.method]);
  const at = request.url.indexOf("?");
  if (at >= 0) {
    const pairs = request.url.slice(at + 1).split("&");
    const certified = pairs.filter((pair) => parameters.includes(pair.split("=")[0] ?? ""));
    if (certified.length > 0) map.push([":ic-cert-query", certified.join("&")]);
  }
  return sha256(joined(mapHash(map), sha256(request.body)));
}

/** What is no escape stays as it is; what is none of UTF-8 throws. */
function pathOf(request: HttpRequest): string {
  return (request.url.split("?")[0] ?? "").replace(/(?:%[0-9a-f]{2})+/gi, decodeURIComponent);
}

/** Slashes that follow each other are one; a last one is a segment, since a folder is no file. */
function segmentsOf(path: string): string[] {
  const segments = path.split("/").filter((segment) => segment !== "");
  return path.endsWith("/") ? [...segments, ""] : segments;
}

/** That the path in the tree is the one for this request, and that none is there which is more specific. */
export function checkPath(tree: Tree, path: readonly string[], requested: string): void {
  const [root, ...rest] = path;
  const segments = segmentsOf(requested);
  const kind = rest.pop();
  if (root !== "http_expr" || (kind !== "<$>" && kind !== "<*>")) refuse("expr_path is malformed");
  if (rest.some((segment, i) => segment !== segments[i])) refuse("expr_path is another path's");
  if (typeof lookup(tree, path) === "string") refuse("expr_path is not in the tree");
  if (kind === "<$>") {
    if (rest.length !== segments.length) refuse("expr_path is another path's");
    return;
  }
  if (lookup(tree, ["http_expr", ...segments, "<$>"]) !== "absent") refuse("the exact path may exist");
  for (let length = rest.length + 1; length <= segments.length; length++) {
    if (lookup(tree, ["http_expr", ...segments.slice(0, length), "<*>"]) !== "absent") refuse("a longer path may exist");
  }
}

function version2(request: HttpRequest, response: HttpResponse, tree: Tree, path: readonly string[]): Verified | undefined {
  checkPath(tree, path, pathOf(request));
  const expressions = response.headers.filter(([name]) => name.toLowerCase() === EXPRESSION);
  const expression = expressions[0]?.[1];
  if (expression === undefined || expressions.length !== 1) refuse("there is not one expression");
  const at = [...path, sha256(text.encode(expression))];
  const certification = parseExpression(expression);
  if (!certification) {
    if (typeof lookup(tree, at) === "string") refuse("the expression is not in the tree");
    return undefined;
  }
  const headers = certifiedHeaders(response.headers, certification.response);
  const ofRequest = certification.request ? requestHash(request, certification.request) : "";
  if (leaf(tree, [...at, ofRequest, responseHash(response, headers, expression)]) === undefined) {
    refuse("request and response are not in the tree");
  }
  return { status: response.status, headers };
}

async function unpacked(response: HttpResponse): Promise<Uint8Array> {
  const encoding = header(response.headers, "content-encoding") ?? "identity";
  if (encoding !== "gzip" && encoding !== "deflate") return response.body;
  const stream = new Blob([response.body]).stream().pipeThrough(new DecompressionStream(encoding));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function version1(request: HttpRequest, response: HttpResponse, tree: Tree): Promise<void> {
  let wanted = leaf(tree, ["http_assets", pathOf(request)]);
  if (!wanted) {
    if (lookup(tree, ["http_assets", pathOf(request)]) !== "absent") refuse("the asset may be in the tree");
    wanted = leaf(tree, ["http_assets", "/index.html"]) ?? refuse("the asset is not in the tree");
  }
  // The hash is of the body as it was sent, or of what it unpacks to.
  if (compare(sha256(response.body), wanted) && compare(sha256(await unpacked(response)), wanted)) {
    refuse("the body is another");
  }
}

export const verify: Verify = async (request, response, canister, rootKey) => {
  const fields = certificateFields(header(response.headers, "ic-certificate") ?? refuse("there is no IC-Certificate"));
  const version = Number(fields.get("version") ?? 1);
  if (version !== 1 && version !== 2) refuse("IC-Certificate is of another version");
  const principal = { canisterId: Principal.fromUint8Array(canister) };
  const certificate = await Certificate.create({ certificate: bytes(fields, "certificate"), rootKey, principal });
  const tree = Cbor.decode<Tree>(bytes(fields, "tree"));
  const data = leaf(certificate.cert.tree as unknown as Tree, ["canister", canister, "certified_data"]);
  const root = await reconstruct(tree as unknown as Parameters<typeof reconstruct>[0]);
  if (!data || compare(data, root)) refuse("the tree is not the certified one");
  if (version === 2) {
    const path = Cbor.decode<string[]>(bytes(fields, "expr_path"));
    return vouchedFor(2, response, version2(request, response, tree, path));
  }
  await version1(request, response, tree);
  return vouchedFor(1, response, undefined);
};
