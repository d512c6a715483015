/** The page that stands where an answer cannot be shown: what is wrong, why, and what to do. */

import type { Reason, Refusal } from "./refusal.ts";

interface Explanation {
  status: number;
  title: string;
  advice: string;
}

const RELOAD = "Reload the page in a moment. If it stays so, tell whoever runs this gateway.";

export const EXPLANATIONS: Record<Reason, Explanation> = {
  "no-canister": {
    status: 400,
    title: "This address names no canister",
    advice: "Open https://CANISTER-ID.THIS-HOST/, or add ?canisterId=CANISTER-ID to the address.",
  },
  "bad-canister": {
    status: 400,
    title: "This is not the identifier of a canister",
    advice: "Look for a mistyped letter: the identifier carries a checksum, which does not match.",
  },
  "no-root-key": {
    status: 503,
    title: "The key that answers are verified with is missing",
    advice: "Delete this site's data in the browser and reload, so that the worker is installed anew.",
  },
  "too-large": {
    status: 413,
    title: "Too large",
    advice: "Canisters take requests of at most 2 MiB; send less at a time.",
  },
  unreachable: { status: 503, title: "The Internet Computer cannot be reached", advice: RELOAD },
  timeout: { status: 504, title: "The Internet Computer did not answer in time", advice: RELOAD },
  garbage: { status: 502, title: "The answer cannot be read", advice: RELOAD },
  rejected: {
    status: 502,
    title: "The canister did not answer",
    advice: "It may be stopped, out of cycles, or serve no web pages. Ask whoever runs the canister.",
  },
  unverified: {
    status: 502,
    title: "The answer could not be verified",
    advice:
      "What came is not what the canister certified, so it is not shown. Check this device's clock, then reload. " +
      "If it stays so, somebody on the way may be changing what you see: do not enter anything, and tell whoever runs this gateway.",
  },
  internal: { status: 500, title: "The service worker failed", advice: "Reload the page. If it stays so, report it." },
};

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function page(refusal: Refusal, { status, title, advice }: Explanation, canister: string | undefined): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${status} ${escape(title)}</title>
<style>body{font:1rem/1.5 sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}code{overflow-wrap:anywhere}</style>
<h1>${escape(title)}</h1>
<p id="detail">${escape(refusal.detail)}</p>
<p id="advice">${escape(advice)}</p>
<p><code id="reason">${status} ${refusal.reason}</code>${canister ? ` <code>${escape(canister)}</code>` : ""}</p>
</html>
`;
}

/** The page for whoever reads pages, one line for programs. */
export function errorResponse(refusal: Refusal, asPage: boolean, canister?: string): Response {
  const explanation = EXPLANATIONS[refusal.reason];
  const body = asPage ? page(refusal, explanation, canister) : `${explanation.title}: ${refusal.detail} (${refusal.reason})\n`;
  return new Response(body, {
    status: explanation.status,
    headers: {
      "Cache-Control": "no-store",
      "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
      "Content-Type": asPage ? "text/html; charset=utf-8" : "text/plain; charset=utf-8",
      "X-Content-Type-Options": "nosniff",
      "X-Ic-Gateway-Refused": refusal.reason,
    },
  });
}
