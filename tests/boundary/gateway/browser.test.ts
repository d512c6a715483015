/** A service worker in a real browser, before its image's own nginx, which browser_test.py has started. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Browser, limited, type Page } from "../../../typescript/service-worker/tests/browser.ts";
import { CANISTER, PAGE, TAMPERED } from "../../../typescript/service-worker/tests/replica.ts";

/** Every browser finds names below localhost on its own machine. */
const HOST = `${CANISTER.toText()}.localhost`;
/** A canister for which the replica answers without a status line. */
const BROKEN = "rwlgt-iiaaa-aaaaa-aaaaa-cai.localhost";
/** Of another site: nothing listens for it that nginx would not answer, so that nothing but a policy can forbid it. */
const ELSEWHERE = "https://elsewhere.localhost/health";

interface Attached {
  sessionId: string;
  targetInfo: { type: string; url: string };
}

interface Issue {
  issue: { details: { contentSecurityPolicyIssueDetails?: { violatedDirective: string; blockedURL?: string } } };
}

interface Received {
  response: { url: string; status: number; headers: Record<string, string>; protocol: string };
}

/** Sees every page and every worker from its first byte on: what arrived, and what the browser says of violated policies. */
class Watch {
  readonly violations = new Set<string>();
  readonly received: Received["response"][] = [];
  readonly #sessions: string[] = [];
  /** The session of the service worker of this site. */
  worker: string | undefined;

  constructor(readonly browser: Browser) {
    browser.on(({ method, params }) => {
      if (method === "Target.attachedToTarget") this.#attach(params as Attached);
      if (method === "Network.responseReceived") this.received.push((params as Received).response);
      if (method === "Audits.issueAdded") {
        const violation = (params as Issue).issue.details.contentSecurityPolicyIssueDetails;
        if (violation) this.violations.add(`${violation.violatedDirective} ${violation.blockedURL ?? "inline"}`);
      }
    });
  }

  async start(): Promise<void> {
    // The certificate is none that a browser would trust; the worker's as well as the pages'.
    await this.browser.send("Security.setIgnoreCertificateErrors", { ignore: true });
    await this.browser.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: true, flatten: true });
  }

  /** From now on what arrives is not noted down: DevTools take ten seconds for a body of 2 MiB. */
  async leaveTheNetwork(): Promise<void> {
    await Promise.all(this.#sessions.map((session) => this.browser.send("Network.disable", {}, session).catch(() => undefined)));
  }

  #attach({ sessionId, targetInfo }: Attached): void {
    this.#sessions.push(sessionId);
    if (targetInfo.type === "service_worker" && new URL(targetInfo.url).host === HOST) this.worker = sessionId;
    for (const method of ["Audits.enable", "Network.enable", "Runtime.runIfWaitingForDebugger"]) {
      // What is gone again, or has no such part, has nothing to say.
      this.browser.send(method, {}, sessionId).catch(() => undefined);
    }
  }

  /** What comes of a promise; after too long a time, what was reported until then. */
  within<T>(promise: Promise<T>): Promise<T> {
    return limited(() => `reported: ${[...this.violations].join(", ")}`, promise);
  }

  /** Waits until this is reported. */
  async reports(violation: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = this.browser.on(() => this.violations.has(violation) && resolve());
    if (this.violations.has(violation)) resolve();
    await this.within(promise).finally(stop);
  }
}

const browser = new Browser();
const watch = new Watch(browser);
after(() => browser.close());

describe("a browser before nginx", () => {
  let page: Page;

  before(async () => {
    await watch.start();
    // As a person types it: nginx leads it to TLS.
    page = await watch.within(browser.open(`http://${HOST}/`));
  });

  it("installs the worker, which shows a verified page", async () => {
    assert.equal(await page.run("document.body.innerText"), "certified text");
    assert.equal(await page.run("navigator.serviceWorker.controller.scriptURL"), `https://${HOST}/sw.js`);
  });

  it("came by nginx's own headers", () => {
    for (const path of ["/", "/install-worker.js", "/sw.js"]) {
      const response = watch.received.find(({ url }) => url === `https://${HOST}${path}`);
      assert.ok(response, path);
      const headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name.toLowerCase(), value]));
      assert.deepEqual([response.status, response.protocol, headers["server"]], [200, "h2", "nginx"], path);
      assert.match(headers["content-security-policy"] ?? "", /^default-src 'none'; script-src 'self' 'wasm-unsafe-eval';/, path);
    }
  });

  it("passes the largest request that the worker takes", async () => {
    await watch.leaveTheNetwork();
    const status = await page.run("fetch('/v2', {method: 'POST', body: new Uint8Array(2 ** 21)}).then((r) => r.status)");
    assert.equal(status, 200);
  });

  it("runs the worker of the image", async () => {
    const { body } = await page.fetch("/service-worker.json");
    assert.equal((JSON.parse(body) as { origin: string }).origin, process.env["ORIGIN"]);
  });

  for (const path of ["/v1", "/v2", "/delegated", "/stream", "/v2?query=1", "/redirect"]) {
    it(`passes ${path}`, async () => {
      const { status, body, headers } = await page.fetch(path);
      assert.deepEqual([status, body, headers["content-type"]], [200, PAGE, "text/html"]);
    });
  }

  for (const [path, status, reason] of [
    ["/body", 502, "unverified"],
    ["/body-v1", 502, "unverified"],
    ["/bare", 502, "unverified"],
    ["/header", 502, "unverified"],
    ["/certificate", 502, "unverified"],
    ["/stranger", 502, "unverified"],
    ["/stream-tampered", 502, "unverified"],
    ["/garbage", 502, "garbage"],
    // nginx's own answers in place of the replica's.
    ["/offline", 503, "unreachable"],
    ["/down", 503, "unreachable"],
  ] as const) {
    it(`refuses ${path}`, async () => {
      const answer = await page.fetch(path, { headers: { accept: "text/html" } });
      assert.deepEqual([answer.status, answer.headers["x-ic-gateway-refused"]], [status, reason]);
      assert.ok(!answer.body.includes(TAMPERED), answer.body);
    });
  }

  it("shows whoever goes to a tampered page the reason instead", async () => {
    const other = await watch.within(browser.open(`https://${HOST}/body`));
    assert.equal(await other.run("document.getElementById('reason').innerText"), "502 unverified");
    assert.ok(!(await other.run<string>("document.documentElement.innerText")).includes(TAMPERED));
  });

  it("shows that a replica's answer is no HTTP as one that did not come", async () => {
    const other = await watch.within(browser.open(`https://${BROKEN}/v2`));
    assert.equal(await other.run("document.getElementById('reason').innerText"), "503 unreachable");
  });

  it("had nothing to report", () => {
    assert.deepEqual([...watch.violations], []);
  });

  it("would report what violates the policy of a page of nginx's", async () => {
    // The worker leaves this one to nginx.
    const other = await watch.within(browser.open(`https://${HOST}/sw.js`));
    await other.run(`fetch("${ELSEWHERE}", {mode: "no-cors"}).catch(() => undefined)`);
    await watch.reports(`connect-src ${ELSEWHERE}`);
    await other.run("document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = true'}))");
    await watch.reports("script-src-elem inline");
    assert.equal(await other.run("typeof window.ran"), "undefined");
  });

  it("would report what violates the policy of the worker", async () => {
    const address = `${ELSEWHERE}?worker`;
    const expression = `fetch("${address}", {mode: "no-cors"}).catch(() => undefined)`;
    await browser.send("Runtime.evaluate", { expression, awaitPromise: true }, watch.worker);
    await watch.reports(`connect-src ${address}`);
  });
});
