/**
 * What the gateway tells the worker: the root key. It is taken when the worker is installed and kept, so that a gateway that
 * is taken over later cannot change it for browsers that know the true one.
 */

import { Refusal } from "./refusal.ts";

export interface Settings {
  /** DER of the root public key (BLS12-381). */
  rootKey: Uint8Array<ArrayBuffer>;
  /** Milliseconds that one request of the API may take. */
  timeout: number;
}

const DER_PREFIX = "308182301d060d2b0601040182dc7c0503010201060c2b0601040182dc7c05030201036100";
const STORE = "ic-gateway-settings";
export const ADDRESS = "/ic-gateway.json";
export const TIMEOUT = 30_000;

/** Reads the gateway's answer; `timeout_ms` may only make the limit shorter. */
export function parseSettings(text: string): Settings {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const { root_key: key, timeout_ms: limit } = (value ?? {}) as { root_key?: unknown; timeout_ms?: unknown };
  if (typeof key !== "string" || !/^[0-9a-f]{266}$/.test(key) || !key.startsWith(DER_PREFIX)) {
    throw new Refusal("no-root-key", `The gateway's ${ADDRESS} holds no root key.`);
  }
  const timeout = typeof limit === "number" && limit >= 1 && limit < TIMEOUT ? limit : TIMEOUT;
  return { rootKey: Uint8Array.from(key.match(/../g) ?? [], (hex) => parseInt(hex, 16)), timeout };
}

/** At installation. The store holds this alone: no answer of a canister is ever put there. */
export async function takeSettings(): Promise<void> {
  const response = await fetch(ADDRESS, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) }).catch(() => undefined);
  if (!response?.ok) throw new Refusal("no-root-key", `The gateway's ${ADDRESS} cannot be fetched.`);
  const text = await response.text();
  parseSettings(text);
  await (await caches.open(STORE)).put(ADDRESS, new Response(text));
}

export async function settings(): Promise<Settings> {
  const kept = await (await caches.open(STORE)).match(ADDRESS);
  if (!kept) throw new Refusal("no-root-key", "The worker's store is empty.");
  return parseSettings(await kept.text());
}
