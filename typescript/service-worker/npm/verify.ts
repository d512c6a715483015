/** Response verification by the published package @dfinity/response-verification. */

/// <reference path="./wasm.d.ts" />

import { initSync, verifyRequestResponsePair } from "@dfinity/response-verification/dist/web/web.js";
import wasm from "@dfinity/response-verification/dist/web/web_bg.wasm";
import type { Verify } from "../shared/canister.ts";
import { vouchedFor } from "../shared/certified.ts";

/** How far a certificate's time may be from this device's: 5 minutes, in nanoseconds. */
const MAXIMUM_OFFSET = 300_000_000_000n;

let ready = false;

export const verify: Verify = (request, response, canister, rootKey) => {
  if (!ready) {
    initSync(wasm);
    ready = true;
  }
  const { response: certified, verificationVersion } = verifyRequestResponsePair(
    { ...request, certificate_version: [2] },
    { status_code: response.status, headers: response.headers, body: response.body },
    canister,
    BigInt(Date.now()) * 1_000_000n,
    MAXIMUM_OFFSET,
    rootKey,
    1,
  );
  return vouchedFor(
    verificationVersion,
    response,
    certified && certified.statusCode !== undefined ? { status: certified.statusCode, headers: certified.headers } : undefined,
  );
};
