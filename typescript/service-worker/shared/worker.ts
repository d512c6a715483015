/** The service worker's events, for either implementation of `Canister`. */

/// <reference lib="webworker" />

import { errorResponse } from "./error_page.ts";
import { answer, type Canister } from "./gateway.ts";
import { Refusal } from "./refusal.ts";
import { canisterOf, isForCanister } from "./routing.ts";
import { settings, takeSettings, type Settings } from "./settings.ts";

declare const self: ServiceWorkerGlobalScope;

export type Connect = (canister: string, settings: Settings, origin: string) => Canister | Promise<Canister>;

async function respond(event: FetchEvent, connect: Connect): Promise<Response> {
  const { request } = event;
  const asPage = request.mode === "navigate" || (request.headers.get("accept") ?? "").includes("text/html");
  let canister: string | undefined;
  try {
    const client = await self.clients.get(event.clientId);
    canister = canisterOf([request.url, client?.url ?? "", request.referrer]);
    return await answer(await connect(canister, await settings(), self.location.origin), request);
  } catch (error) {
    const refusal = error instanceof Refusal ? error : new Refusal("internal", "An error that nobody foresaw.");
    if (refusal.reason === "internal") console.error(error);
    return errorResponse(refusal, asPage, canister);
  }
}

export function start(connect: Connect): void {
  self.addEventListener("install", (event) => {
    event.waitUntil(
      takeSettings().then(
        () => self.skipWaiting(),
        async (error: unknown) => {
          const problem = error instanceof Refusal ? error.detail : "It could not be installed.";
          for (const client of await self.clients.matchAll({ includeUncontrolled: true })) client.postMessage({ problem });
          throw error;
        },
      ),
    );
  });
  self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
  self.addEventListener("fetch", (event) => {
    if (isForCanister(event.request.method, new URL(event.request.url), self.location.origin)) {
      event.respondWith(respond(event, connect));
    }
  });
}
