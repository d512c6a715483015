/** Headless Chromium, over the pipe of its DevTools protocol: nothing listens, and no driver is needed. */

import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

const PROGRAM = "chromium-headless-shell";
// Without its own sandbox: that wants namespaces, which the sandbox of the test has none to give; the pages are this repository's.
const OPTIONS =
  "--headless --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run " +
  "--disable-background-networking --disable-component-update --disable-sync --remote-debugging-pipe";

/** In a page: waits until it is not the installing one, or says that it failed. */
const SETTLED = `new Promise((resolve) => {
  const root = document.documentElement;
  const look = () => (document.title !== "Internet Computer gateway" || root.dataset.state === "failed") && resolve(true);
  new MutationObserver(look).observe(root, { attributes: true });
  look();
})`;

/** Milliseconds: longer than anything here takes, so that what never comes is a failure and no test that hangs. */
const LIMIT = 30_000;

/** What comes of a promise; after the limit an error that says what was waited for, or what is known by then. */
export function limited<T>(what: () => string, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what()}: nothing within ${LIMIT / 1000} s`)), LIMIT);
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

interface Message {
  id?: number;
  method?: string;
  sessionId?: string;
  params?: unknown;
  result?: unknown;
  error?: { message: string };
}

export class Browser {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (message: Message) => void>();
  readonly #listeners = new Set<(message: Message) => void>();
  #last = 0;

  /** @param insecure Name of a host that is this machine too, but that the browser does not trust to be. */
  constructor(insecure?: string) {
    const folder = mkdtempSync(join(process.env["TEST_TMPDIR"] ?? tmpdir(), "browser-"));
    const own = [`--user-data-dir=${folder}`];
    if (insecure) own.push(`--host-resolver-rules=MAP ${insecure} 127.0.0.1`);
    this.#process = spawn(PROGRAM, [...OPTIONS.split(" "), ...own, "about:blank"], {
      env: { ...process.env, HOME: folder },
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    this.#process.on("error", (error) => {
      throw error;
    });
    let rest = "";
    (this.#process.stdio[4] as Readable).setEncoding("utf8").on("data", (text: string) => {
      const messages = (rest + text).split("\0");
      rest = messages.pop() ?? "";
      for (const message of messages) this.#take(JSON.parse(message) as Message);
    });
  }

  #take(message: Message): void {
    if (message.id === undefined) {
      for (const listener of this.#listeners) listener(message);
      return;
    }
    this.#waiting.get(message.id)?.(message);
    this.#waiting.delete(message.id);
  }

  send<T>(method: string, params: object = {}, sessionId?: string): Promise<T> {
    const id = ++this.#last;
    (this.#process.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) => (error ? reject(new Error(error.message)) : resolve(result as T)));
    });
  }

  on(listener: (message: Message) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A new page, where a script runs before those of whatever it shows. */
  async open(address: string, script = ""): Promise<Page> {
    const { targetId } = await this.send<{ targetId: string }>("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send<{ sessionId: string }>("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, sessionId);
    await this.send("Page.enable", {}, sessionId);
    await this.send("Page.addScriptToEvaluateOnNewDocument", { source: script }, sessionId);
    await page.go(address);
    return page;
  }

  close(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#process.on("exit", () => resolve()));
    this.send("Browser.close").catch(() => undefined);
    return ended;
  }
}

export class Page {
  constructor(
    readonly browser: Browser,
    readonly session: string,
  ) {}

  /** Goes there, and waits until a page that is not the installing one has loaded, or that one says that it failed. */
  go(address: string): Promise<void> {
    return this.#load("Page.navigate", { url: address });
  }

  /** The same after a reload that goes around the service worker, as with the shift key. */
  reload(): Promise<void> {
    return this.#load("Page.reload", { ignoreCache: true });
  }

  async #load(method: string, params: object): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = this.browser.on((message) => {
      if (message.sessionId !== this.session || message.method !== "Page.loadEventFired") return;
      // Of a page that is left meanwhile there is nothing to be asked.
      this.run(SETTLED).then(
        () => resolve(),
        () => undefined,
      );
    });
    await this.browser.send(method, params, this.session);
    await limited(() => `${method} ${JSON.stringify(params)}`, promise).finally(stop);
  }

  /** The value of an expression in the page. */
  async run<T>(expression: string): Promise<T> {
    const evaluated = this.browser.send<{ result: { value: T }; exceptionDetails?: { text: string } }>(
      "Runtime.evaluate",
      { expression, awaitPromise: true, returnByValue: true },
      this.session,
    );
    const { result, exceptionDetails } = await limited(() => expression, evaluated);
    if (exceptionDetails) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return result.value;
  }

  fetch(path: string, init: object = {}): Promise<{ status: number; body: string; headers: Record<string, string>; address: string }> {
    return this.run(
      `fetch(${JSON.stringify(path)}, ${JSON.stringify(init)}).then(async (r) => ({status: r.status, body: await r.text(), ` +
        `headers: Object.fromEntries(r.headers), address: r.url}))`,
    );
  }
}
