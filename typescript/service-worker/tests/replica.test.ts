/** Both ways to verify, before a replica that tells the truth and one that does not: what answer() makes of it, without a browser. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { verify as published } from "../npm/verify.ts";
import { connect } from "../shared/canister.ts";
import { answer } from "../shared/gateway.ts";
import { type Reason, Refusal } from "../shared/refusal.ts";
import { verify as own } from "../source/verify.ts";
import { CANISTER, PAGE, ROOT_KEY, serve, TAMPERED } from "./replica.ts";

/** Milliseconds: much more than a good answer takes here. */
const TIMEOUT = 5_000;

for (const [name, verify] of [
  ["source", own],
  ["npm", published],
] as const) {
  describe(name, () => {
    let origin: string;
    let stop: () => void;

    before(async () => {
      const { server, port } = await serve(".", TIMEOUT);
      origin = `http://127.0.0.1:${port}`;
      stop = () => {
        server.closeAllConnections();
        server.close();
      };
    });
    after(() => stop());

    const ask = (path: string, init: RequestInit = {}, timeout = TIMEOUT) => {
      const canister = connect(verify)(CANISTER.toText(), { rootKey: ROOT_KEY, timeout }, origin);
      return answer(canister, new Request(`${origin}${path}`, init));
    };
    const refuses = (path: string, reason: Reason, init: RequestInit = {}, timeout = TIMEOUT) =>
      it(`refuses ${path} as ${reason}`, { timeout: 20_000 }, async () => {
        const refusal: unknown = await ask(path, init, timeout).then(
          () => "an answer",
          (error: unknown) => error,
        );
        assert.ok(refusal instanceof Refusal, String(refusal));
        assert.equal(refusal.reason, reason);
        assert.ok(!`${refusal.detail}${refusal.message}`.includes(TAMPERED));
      });

    const passes = (path: string) =>
      it(`passes ${path}`, async () => {
        const response = await ask(path);
        assert.equal(await response.text(), PAGE);
        assert.equal(response.status, 200);
        assert.equal(response.headers.get("content-type"), "text/html");
        for (const withheld of ["content-encoding", "content-range", "ic-certificate", "ic-certificateexpression"]) {
          assert.equal(response.headers.get(withheld), null, withheld);
        }
      });

    describe("the page", () => {
      for (const path of [
        "/v1",
        "/v2",
        "/delegated",
        "/stream",
        "/below/a",
        "/below/a/b/c",
        "/below/beside",
        "/all-but",
        "/open",
        "/gzip",
        "/gzip-v1",
        "/gzip-unpacked-v1",
        "/deflate",
        "/parts",
        "/parts?not-certified=1",
        "/",
        "/folder/",
        "/twice//slashed///",
        "//slashed",
        "/%C3%BC%20%2f",
        "/50%/%zz%41",
      ]) {
        passes(path);
      }

      it("brings the headers that the canister chose not to certify where it certifies that it certifies nothing", async () => {
        assert.equal((await ask("/open")).headers.get("x-uncertified"), TAMPERED);
      });

      it("comes without the header that the expression excludes", async () => {
        assert.equal((await ask("/all-but")).headers.get("x-uncertified"), null);
      });

      it("comes in part, as it is, to who asks for a part", async () => {
        const response = await ask("/parts", { headers: { range: "bytes=20-" } });
        assert.deepEqual([response.status, await response.text()], [206, PAGE.slice(20, 40)]);
        assert.equal(response.headers.get("content-range"), `bytes 20-39/${PAGE.length}`);
      });
    });

    describe("an answer that is certified for one request", () => {
      for (const [path, init, body] of [
        ["/asks", {}, "GET undefined undefined"],
        ["/asks?a=1&c=3&b=2", {}, "GET a=1&c=3&b=2 undefined"],
        ["/asks?c=3", {}, "GET c=3 undefined"],
        ["/asks?a=1", { method: "POST", body: "text" }, "POST a=1 undefined"],
        ["/asks", { headers: { "x-want": "this", "x-other": "that" } }, "GET undefined this"],
      ] as const) {
        it(`passes for it: ${body}`, async () => assert.equal(await (await ask(path, init)).text(), body));
      }
      refuses("/asks-other-header", "unverified");
      refuses("/asks-other-parameter?a=1", "unverified");
      refuses("/asks-other-method", "unverified");
      refuses("/asks-other-body", "unverified", { method: "POST", body: "text" });
    });

    for (const path of [
      "/bare",
      "/body",
      "/body-v1",
      "/header",
      "/code",
      "/certificate",
      "/tree",
      "/future-v1",
      "/stranger",
      "/stale",
      "/early",
      "/range",
      "/stream-tampered",
      "/elsewhere",
      "/below/shadowed",
      "/below//shadowed",
      "/%FF",
      "/below/longer/a",
      "/below/left-out",
      "/below/left-out-exactly",
      "/below/left-out-below",
      "/all-but-changed",
      "/closed",
      "/open-bare",
      "/open-other",
      "/two-expressions",
      "/gzip-tampered",
      "/gzip-tampered-v1",
      "/parts-tampered",
      "/parts-again",
    ]) {
      refuses(path, "unverified");
    }
    // The published package takes `deflate` for the bare format, without zlib's header. Only version 1 makes it unpack anything.
    if (verify === published) refuses("/deflate-v1", "unverified");
    else passes("/deflate-v1");

    // Certified, but not to be read.
    refuses("/gzip-cut", "garbage");
    refuses("/brotli", "garbage");

    describe("an update call", () => {
      for (const path of ["/update", "/update-polled", "/update-old"]) {
        it(`is made once where the query asks for it: ${path}`, async () => {
          const response = await ask(path, { method: "POST", body: "text", headers: { "x-want": "this" } });
          assert.equal(await response.text(), `POST ${path} text this`);
          assert.deepEqual([response.status, response.headers.get("content-type")], [201, "text/plain"]);
        });
      }
      refuses("/update-rejected", "rejected");
      refuses("/update-rejected-polled", "rejected");
      refuses("/update-refused", "rejected");
      for (const path of ["/update-changed", "/update-forged", "/update-stale", "/update-range", "/update-again", "/update-streams"]) {
        refuses(path, "unverified", { method: "POST", body: "text" });
      }
      refuses("/update-down", "unreachable");
      refuses("/update-silent", "timeout", {}, 500);
      refuses("/update-endless", "timeout", {}, 1500);
    });
  });
}
