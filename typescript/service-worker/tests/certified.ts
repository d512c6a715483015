/** Certificates and certified answers as a subnet and a canister make them, with keys of this test. */

import { Cbor, reconstruct } from "@icp-sdk/core/agent";
import { Principal } from "@icp-sdk/core/principal";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { sha256 } from "@noble/hashes/sha2.js";

const bls = bls12_381.shortSignatures;
const DER = Buffer.from("308182301d060d2b0601040182dc7c0503010201060c2b0601040182dc7c05030201036100", "hex");
const secret = (last: number) => Uint8Array.from({ length: 32 }, (_, i) => (i === 31 ? last : 1));
const der = (key: Uint8Array) => Uint8Array.from([...DER, ...bls.getPublicKey(key).toBytes()]);
const ROOT = secret(1);
const SUBNET = secret(2);
export const STRANGER = secret(3);
export const ROOT_KEY = der(ROOT);
export const STRANGER_KEY = der(STRANGER);
const SUBNET_ID = Principal.selfAuthenticating(der(SUBNET)).toUint8Array();

export const CANISTER = Principal.fromUint8Array(Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 7, 1, 1]));
export const OTHER = Principal.fromUint8Array(Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 9, 1, 1]));

export const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

export type Headers = [string, string][];
type Label = string | Uint8Array;
type Tree = [1, Tree, Tree] | [2, Uint8Array, Tree] | [3, Uint8Array] | [4, Uint8Array];
type Leaf = [path: Label[], value: Uint8Array];

const rootHash = (tree: Tree) => reconstruct(tree as Parameters<typeof reconstruct>[0]);

/** The hash tree that has these leaves. Labels lie in order of their bytes, and so do their hexadecimal digits. */
function treeOf(leaves: Leaf[]): Tree {
  const below = new Map<string, Leaf[]>();
  for (const [[label, ...rest], value] of leaves) {
    if (label === undefined) return [3, value];
    const key = Buffer.from(label as string).toString("hex");
    below.set(key, [...(below.get(key) ?? []), [rest, value]]);
  }
  return [...below]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]): Tree => [2, Uint8Array.from(Buffer.from(key, "hex")), treeOf(inner)])
    .reduceRight((right, left): Tree => [1, left, right]);
}

/** The same tree, with a hash in place of what lies at a path. */
async function pruned(tree: Tree, [label = "", ...rest]: string[]): Promise<Tree> {
  if (tree[0] === 1) return [1, await pruned(tree[1], [label, ...rest]), await pruned(tree[2], [label, ...rest])];
  if (tree[0] !== 2 || !Buffer.from(label).equals(tree[1])) return tree;
  return rest.length > 0 ? [2, tree[1], await pruned(tree[2], rest)] : [4, await rootHash(tree)];
}

export function leb128(value: bigint): Uint8Array {
  const out: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 0x80n) return Uint8Array.from([...out, Number(rest)]);
    out.push(Number(rest & 0x7fn) | 0x80);
  }
}

async function signed(leaves: Leaf[], key: Uint8Array, minutes: number, delegation?: object): Promise<Uint8Array> {
  const time = BigInt(Date.now() - minutes * 60_000) * 1_000_000n;
  const tree = treeOf([...leaves, [["time"], leb128(time)]]);
  const message = Uint8Array.from([13, ...utf8("ic-state-root"), ...(await rootHash(tree))]);
  const signature = bls.sign(bls.hash(message), key).toBytes();
  return Cbor.encode({ tree, signature, ...(delegation && { delegation }) });
}

/** Who signs, and when. */
export interface Signer {
  /** The root key, when nothing else is said. */
  key?: Uint8Array;
  /** Minutes that the certificate is old. */
  age?: number;
  /** A subnet signs that may speak for this canister alone. */
  range?: Principal;
}

/** A certificate that says this of the subnet's state. */
export async function certificate(leaves: Leaf[], { key = ROOT, age = 0, range }: Signer = {}): Promise<Uint8Array> {
  if (!range) return signed(leaves, key, age);
  const [from, subnet] = [range.toUint8Array(), ["subnet", SUBNET_ID]];
  const delegated = await signed(
    [
      [[...subnet, "canister_ranges"], Cbor.encode([[from, from]])],
      [[...subnet, "public_key"], der(SUBNET)],
    ],
    ROOT,
    age,
  );
  return signed(leaves, SUBNET, age, { subnet_id: SUBNET_ID, certificate: delegated });
}

/** Representation-independent hash of a map. */
function mapHash(map: [string, string | Uint8Array][]): Uint8Array {
  const hash = (value: string | Uint8Array) => sha256(typeof value === "string" ? utf8(value) : value);
  return sha256(Buffer.concat(map.map(([name, value]) => Buffer.concat([hash(name), hash(value)])).sort(Buffer.compare)));
}

const expression = (certification: string) => `default_certification(ValidationArgs{${certification}})`;
const list = (names: string[]) => `[${names.map((name) => `"${name}"`).join(",")}]`;

export const NOTHING = expression("no_certification:Empty{}");

/** The expression of a canister that certifies these headers, or all but these, and of the request this. */
export function certifying(
  response: { only: string[] } | { but: string[] },
  request?: { headers: string[]; parameters: string[] },
): string {
  const ofRequest = request
    ? `request_certification:RequestCertification{certified_request_headers:${list(request.headers)},` +
      `certified_query_parameters:${list(request.parameters)}}`
    : "no_request_certification:Empty{}";
  const [field, names] = "only" in response ? ["certified_response_headers", response.only] : ["response_header_exclusions", response.but];
  const ofResponse = `response_certification:ResponseCertification{${field}:ResponseHeaderList{headers:${list(names)}}}`;
  return expression(`certification:Certification{${ofRequest},${ofResponse}}`);
}

/** An answer, and what its canister certifies: the headers here are the certified ones. */
export interface Certified {
  status: number;
  headers: Headers;
  body: Uint8Array;
}

export interface Version2 {
  expression: string;
  /** Of the tree, from `http_expr` on. */
  path: string[];
  /** What of the request is certified: its headers with `:ic-cert-method` and `:ic-cert-query`, and its body. */
  request?: { headers: Headers; body: Uint8Array };
  /** Other paths that the tree has. */
  beside?: string[][];
  /** Which of the paths is left out. */
  pruned?: string[];
}

async function proof(tree: Tree, signer: Signer, shown = tree): Promise<string> {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
  const data: Leaf = [["canister", CANISTER.toUint8Array(), "certified_data"], await rootHash(tree)];
  return `certificate=:${base64(await certificate([data], signer))}:, tree=:${base64(Cbor.encode(shown))}:`;
}

/** The headers that certify an answer by version 1: its body's hash, or another that it may have, at a path. */
export async function version1(path: string, body: Uint8Array, signer: Signer): Promise<Headers> {
  return [["IC-Certificate", await proof(treeOf([[["http_assets", path], sha256(body)]]), signer)]];
}

/** The headers that certify an answer by version 2. */
export async function version2(answer: Certified, how: Version2, signer: Signer): Promise<Headers> {
  const of = utf8(how.expression);
  const path: Label[] = [...how.path, sha256(of)];
  if (how.expression !== NOTHING) {
    const map = mapHash([
      ...answer.headers,
      ["ic-certificateexpression", how.expression],
      [":ic-cert-status", leb128(BigInt(answer.status))],
    ]);
    const request = how.request ? sha256(Buffer.concat([mapHash(how.request.headers), sha256(how.request.body)])) : "";
    path.push(request, sha256(Buffer.concat([map, sha256(answer.body)])));
  }
  const tree = treeOf([path, ...(how.beside ?? [])].map((at): Leaf => [at, new Uint8Array()]));
  const shown = how.pruned === undefined ? tree : await pruned(tree, how.pruned);
  const exprPath = Buffer.from(Cbor.encode(how.path)).toString("base64");
  return [
    ["IC-Certificate", `${await proof(tree, signer, shown)}, expr_path=:${exprPath}:, version=2`],
    ["IC-CertificateExpression", how.expression],
  ];
}
