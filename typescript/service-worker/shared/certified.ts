/** What of a response is handed on, by the version of its certification. */

import { type HttpResponse, type Verified, header } from "./gateway.ts";
import { Refusal } from "./refusal.ts";

/** Version 1 certifies the body alone. A body cannot be shown without these, which nobody vouches for. */
const BODY_HEADERS = ["content-type", "content-encoding", "content-language"];

export function vouchedFor(version: number, response: HttpResponse, certified: Verified | undefined): Verified {
  if (version >= 2) {
    // Nothing certified of the response: the canister certifies that it leaves this path uncertified.
    return certified ?? { status: response.status, headers: response.headers };
  }
  if (response.status !== 200) throw new Refusal("unverified", "Nobody certifies the status of this answer.");
  const headers = BODY_HEADERS.flatMap((name): [string, string][] => {
    const value = header(response.headers, name);
    return value === undefined ? [] : [[name, value]];
  });
  return { status: 200, headers: [...headers, ["x-content-type-options", "nosniff"]] };
}
