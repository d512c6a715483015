/** Which requests are the canister's, and which canister is meant. */

import { Refusal } from "./refusal.ts";

/** Paths that are the gateway's own at every host name. */
const OWN = new Set(["/ic-gateway.json", "/service-worker.json", "/sw.js", "/install-worker.js", "/health"]);
const METHODS = new Set(["GET", "HEAD", "POST"]);

/** A label of a host name that can only be meant as a canister's identifier: groups of five, joined with hyphens. */
const IDENTIFIER = /^(?:[a-z2-7]{5}-)+[a-z2-7]{1,5}$/;

export function isForCanister(method: string, url: URL, origin: string): boolean {
  return (
    url.origin === origin && METHODS.has(method) && url.pathname !== "/api" && !url.pathname.startsWith("/api/") && !OWN.has(url.pathname)
  );
}

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** A principal's bytes out of its text: base32 of a CRC-32 and the bytes (Interface Specification, Textual representation). */
export function principalBytes(text: string): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  let buffer = 0;
  let bits = 0;
  for (const character of IDENTIFIER.test(text) ? text.replaceAll("-", "") : "") {
    buffer = (buffer << 5) | ALPHABET.indexOf(character);
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((buffer >>> bits) & 0xff);
    }
    buffer &= (1 << bits) - 1;
  }
  const all = Uint8Array.from(bytes);
  const principal = all.slice(4);
  if (all.length < 5 || all.length > 33 || buffer || new DataView(all.buffer).getUint32(0) !== crc32(principal)) {
    throw new Refusal("bad-canister", "The identifier's checksum or form is wrong.");
  }
  return principal;
}

/**
 * The canister that a request is for: of the first label of the host, else of ?canisterId= in the address itself, in
 * that of the page which asks, or in the referring one.
 */
export function canisterOf(addresses: readonly string[]): string {
  const [address] = addresses;
  const label = address ? new URL(address).hostname.split(".")[0] : undefined;
  if (label && IDENTIFIER.test(label)) {
    principalBytes(label);
    return label;
  }
  for (const text of addresses) {
    const wanted = URL.canParse(text) ? new URL(text).searchParams.get("canisterId") : null;
    if (wanted !== null) {
      principalBytes(wanted);
      return wanted;
    }
  }
  throw new Refusal("no-canister", "Neither its host name nor ?canisterId= says which canister is meant.");
}
