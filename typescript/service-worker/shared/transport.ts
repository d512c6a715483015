/** Requests of the API, with a limit of time; what goes wrong is told apart. */

import { Refusal } from "./refusal.ts";

/** A `fetch` that gives the whole answer within the limit, for this origin's API alone. */
export function limitedFetch(timeout: number): typeof fetch {
  return async (input, init) => {
    const signal = AbortSignal.timeout(timeout);
    try {
      const response = await fetch(input, { ...init, signal, cache: "no-store", credentials: "omit", redirect: "error" });
      if (response.status >= 500 || response.status === 429) {
        throw new Refusal("unreachable", `The gateway answers ${response.status} for the API.`);
      }
      // The limit is for the body too.
      const whole = new Response(await response.arrayBuffer(), { status: response.status, headers: response.headers });
      // Where a call is not found the agent looks at the address: the replica may know an older API alone.
      return Object.defineProperty(whole, "url", { value: response.url });
    } catch (error) {
      if (error instanceof Refusal) throw error;
      if (signal.aborted) throw new Refusal("timeout", `No answer came within ${timeout / 1000} s.`);
      throw new Refusal("unreachable", "The gateway's API cannot be reached.");
    }
  };
}
