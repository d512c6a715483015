/** Both workers in a real browser, before a replica that tells the truth and one that does not. */

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { Browser, type Page } from "./browser.ts";
import { CANISTER, type Gateway, PAGE, ROOT_KEY, STRANGER_KEY, TAMPERED, serve, settingsWith } from "./replica.ts";

/** Milliseconds: much more than a good answer takes here. */
const TIMEOUT = 5_000;
const INSECURE = "gateway.example";
const browser = new Browser(INSECURE);
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

    for (const path of ["/v1", "/v2", "/delegated", "/stream", "/v2?query=1", "/below/a", "/open", "/gzip", "/deflate", "/parts"]) {
      it(`passes ${path}`, async () => {
        const { status, body, headers } = await page.fetch(path);
        assert.equal(body, PAGE);
        assert.equal(status, 200);
        assert.equal(headers["content-type"], "text/html");
        assert.deepEqual(
          Object.keys(headers).filter((name) => name.startsWith("ic-")),
          [],
        );
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

    it("goes where a certified redirect leads", async () => {
      const other = await browser.open(`http://${CANISTER.toText()}.localhost:${port}/redirect`);
      assert.deepEqual([await other.run("location.pathname"), await other.run("document.body.innerText")], ["/v2", "certified text"]);
    });

    it("makes an update call where the canister asks for one", async () => {
      const { status, body } = await page.fetch("/update", { method: "POST", body: "text", headers: { "x-want": "this" } });
      assert.deepEqual([status, body], [201, "POST /update text this"]);
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
      ["/update-rejected", 502, "rejected"],
      ["/update-forged", 502, "unverified"],
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

  describe(`installation of ${origin}`, () => {
    let gateway: Gateway;
    let port: number;
    let stop: () => void;

    // A gateway of another port is another origin, so nothing is installed there yet.
    beforeEach(async () => {
      const started = await serve(`typescript/service-worker/${origin}`, TIMEOUT);
      ({ gateway, port } = started);
      stop = () => {
        started.server.closeAllConnections();
        started.server.close();
      };
    });
    afterEach(() => stop());

    const visit = () => browser.open(`http://${CANISTER.toText()}.localhost:${port}/`);
    const said = (page: Page) =>
      page.run<string[]>(
        "[document.documentElement.dataset.state, ...['status', 'advice'].map((id) => document.getElementById(id)?.innerText)]",
      );

    const FAILED = "The service worker could not be installed.";
    const RELOAD = "Reload the page. If it stays so, tell whoever runs this gateway.";
    for (const [what, change, why] of [
      ["without a root key", { settings: undefined }, " The gateway's /ic-gateway.json cannot be fetched."],
      [
        "with a damaged root key",
        { settings: settingsWith(ROOT_KEY.slice(1), TIMEOUT) },
        " The gateway's /ic-gateway.json holds no root key.",
      ],
      ["of a program that does not run", { addition: "throw new Error();" }, ""],
    ] as const) {
      it(`fails ${what}, says so, and is done when that is mended`, async () => {
        const good = { settings: gateway.settings, addition: gateway.addition };
        Object.assign(gateway, change);
        const page = await visit();
        assert.deepEqual(await said(page), ["failed", FAILED + why, RELOAD]);
        assert.equal(await page.run("navigator.serviceWorker.controller"), null);
        Object.assign(gateway, good);
        await page.go(await page.run("location.href"));
        assert.equal(await page.run("document.body.innerText"), "certified text");
      });
    }

    const UNAVAILABLE = [
      "failed",
      "Service workers are not available.",
      "This browser lets no service worker run here. Private windows of some browsers, sites whose cookies are blocked, and pages " +
        "without https have none: open the address in an ordinary window, with cookies and https, or with another browser.",
    ];
    it("is none where the address is not secure", async () => {
      assert.deepEqual(await said(await browser.open(`http://${INSECURE}:${port}/`)), UNAVAILABLE);
    });

    it("is none where the browser has no service workers", async () => {
      const page = await browser.open(`http://localhost:${port}/`, "delete Navigator.prototype.serviceWorker;");
      assert.deepEqual(await said(page), UNAVAILABLE);
    });

    for (const error of ["NotSupportedError", "SecurityError"]) {
      it(`is none where the browser says ${error} of it`, async () => {
        const deny = `ServiceWorkerContainer.prototype.register = () => Promise.reject(new DOMException("", "${error}"));`;
        assert.deepEqual(await said(await browser.open(`http://localhost:${port}/`, deny)), UNAVAILABLE);
      });
    }

    it("is to be done anew where the key is gone, and nothing is shown before", async () => {
      const page = await visit();
      assert.equal(await page.run("caches.delete('ic-gateway-settings')"), true);
      const { status, headers, body } = await page.fetch("/v2", { headers: { accept: "text/html" } });
      assert.deepEqual([status, headers["x-ic-gateway-refused"]], [503, "no-root-key"]);
      assert.ok(body.includes("Delete this site&#39;s data in the browser and reload"), body);
    });

    it("is done once: the second visit asks the gateway for no page, and for no key", async () => {
      await visit();
      const before = gateway.asked.length;
      assert.equal(await (await visit()).run("document.body.innerText"), "certified text");
      // The browser looks by itself whether there is a new worker.
      assert.deepEqual(
        gateway.asked.slice(before).filter((path) => path !== "/sw.js"),
        [],
      );
    });

    it("is found again by a reload that goes around it", async () => {
      const page = await visit();
      const before = gateway.asked.length;
      await page.reload();
      assert.ok(gateway.asked.slice(before).includes("/"), "the gateway's own page came");
      assert.equal(await page.run("document.body.innerText"), "certified text");
    });

    it("is not done again by a gateway that comes with another key", async () => {
      await visit();
      gateway.settings = settingsWith(STRANGER_KEY, TIMEOUT);
      const page = await visit();
      assert.deepEqual([(await page.fetch("/v2")).status, (await page.fetch("/stranger")).status], [200, 502]);
    });

    /** Answers a page that asks which version controls it. */
    const version = (name: string) => `self.addEventListener("message", (event) => event.source.postMessage("${name}"));`;
    const CONTROLLER = `new Promise((resolve) => {
      const workers = navigator.serviceWorker;
      const ask = () => workers.controller.postMessage("");
      workers.addEventListener("message", (event) => resolve(event.data));
      workers.addEventListener("controllerchange", ask);
      workers.startMessages();
      ask();
    })`;

    it("of a new version is done at a later visit, under the page that is open", async () => {
      await visit();
      gateway.addition = version("second");
      const page = await visit();
      assert.equal(await page.run(CONTROLLER), "second");
      assert.equal((await page.fetch("/v2")).status, 200);
    });

    it("of a new version that fails leaves the one before", async () => {
      gateway.addition = version("first");
      const page = await visit();
      Object.assign(gateway, { addition: version("second"), settings: undefined });
      const ended = `navigator.serviceWorker.ready.then(async (registration) => {
        const worker = (await registration.update()).installing;
        if (worker) await new Promise((resolve) => worker.addEventListener("statechange", resolve));
        return [worker?.state, registration.waiting, registration.installing];
      })`;
      assert.deepEqual(await page.run(ended), ["redundant", null, null]);
      assert.equal(await page.run(CONTROLLER), "first");
      assert.equal((await page.fetch("/v2")).status, 200);
    });
  });
}
