import assert from "node:assert/strict";
import test from "node:test";

import { digest } from "./digest";

// FIPS 180-4's example for SHA-256.
test("the digest of abc", () => {
  assert.equal(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});
