/** Both workers in a real browser, before a replica that tells the truth and one that does not. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Browser, type Page } from "./browser.ts";
import { CANISTER, TAMPERED, serve } from "./replica.ts";

/** Milliseconds: much more than a good answer takes here. */
const TIMEOUT = 5_000;
const browser = new Browser();
after(() => browser.close());

for (const origin of ["source", "npm"]) {
  describe(origin, () => {
    let page: Page;
    let port: number;
    let stop: () => void;

    before(async () => {
      const started = await serve(`typescript/service-worker/${origin}`, TIMEOUT);
      port = started.port;
      stop = () => {
        started.server.closeAllConnections();
        started.server.close();
      };
      page = await browser.open(`http://${CANISTER.toText()}.localhost:${port}/`);
    });
    after(() => stop());

    it("is installed, takes control and shows the page", async () => {
      assert.equal(await page.run("document.body.innerText"), "certified text");
      assert.match(await page.run("navigator.serviceWorker.controller.scriptURL"), /\/sw\.js$/);
    });

    for (const path of ["/v1", "/v2", "/delegated", "/stream", "/v2?query=1"]) {
      it(`passes ${path}`, async () => {
        const { status, body, headers } = await page.fetch(path);
        assert.equal(body, "<!doctype html><title>Certified</title><p>certified text</p>");
        assert.equal(status, 200);
        assert.equal(headers["content-type"], "text/html");
        assert.deepEqual(Object.keys(headers).filter((name) => name.startsWith("ic-")), []);
      });
    }

    it("passes the status and headers of HEAD, without a body", async () => {
      const { status, body } = await page.fetch("/v2", { method: "HEAD" });
      assert.deepEqual([status, body], [200, ""]);
    });

    it("follows a certified redirect", async () => {
      const { status, address } = await page.fetch("/redirect");
      assert.deepEqual([status, new URL(address).pathname], [200, "/v2"]);
    });

    it("withholds headers that nobody certified", async () => {
      const { status, headers } = await page.fetch("/status");
      assert.deepEqual([status, headers["x-uncertified"]], [200, undefined]);
    });

    for (const [path, status, reason] of [
      ["/body", 502, "unverified"],
      ["/body-v1", 502, "unverified"],
      ["/bare", 502, "unverified"],
      ["/header", 502, "unverified"],
      ["/code", 502, "unverified"],
      ["/certificate", 502, "unverified"],
      ["/stranger", 502, "unverified"],
      ["/stale", 502, "unverified"],
      ["/early", 502, "unverified"],
      ["/range", 502, "unverified"],
      ["/stream-tampered", 502, "unverified"],
      ["/garbage", 502, "garbage"],
      ["/cbor", 502, "garbage"],
      ["/candid", 502, "garbage"],
      ["/rejected", 502, "rejected"],
      ["/offline", 503, "unreachable"],
      ["/down", 503, "unreachable"],
      ["/silent", 504, "timeout"],
    ] as const) {
      it(`refuses ${path}`, async () => {
        const answer = await page.fetch(path, { headers: { accept: "text/html" } });
        assert.deepEqual([answer.status, answer.headers["x-ic-gateway-refused"]], [status, reason]);
        assert.ok(answer.body.includes(`${status} ${reason}`), answer.body);
        assert.ok(!answer.body.includes(TAMPERED), answer.body);
      });
    }

    it("refuses a request that is too large", async () => {
      const status = await page.run("fetch('/v2', {method: 'POST', body: new Uint8Array(2 ** 21 + 1)}).then((r) => r.status)");
      assert.equal(status, 413);
    });

    it("leaves the gateway's own files and the API alone", async () => {
      assert.equal((JSON.parse((await page.fetch("/service-worker.json")).body) as { origin: string }).origin, origin);
      const { status, headers } = await page.fetch("/api/v2/canister/x/query", { method: "POST" });
      assert.deepEqual([status, headers["x-ic-gateway-refused"]], [400, undefined]);
    });

    for (const [host, reason] of [
      ["localhost", "400 no-canister"],
      ["aaaaa-aaaaa-aaaaa-aaaaa-aab.localhost", "400 bad-canister"],
    ]) {
      it(`says what is wrong with ${host}`, async () => {
        const other = await browser.open(`http://${host}:${port}/`);
        assert.equal(await other.run("document.getElementById('reason').innerText.slice(0, 16).trim()"), reason);
      });
    }

    it("takes the canister from the page's address", async () => {
      const other = await browser.open(`http://localhost:${port}/?canisterId=${CANISTER.toText()}`);
      assert.equal(await other.run("document.body.innerText"), "certified text");
      assert.equal((await other.fetch("/v2")).status, 200);
    });
  });
}
