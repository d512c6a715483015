/** Why a request is not answered with what the canister, or whoever pretends to be it, sent. */

export type Reason =
  | "no-canister"
  | "bad-canister"
  | "no-root-key"
  | "too-large"
  | "unreachable"
  | "timeout"
  | "garbage"
  | "rejected"
  | "unverified"
  | "internal";

/** Never carries a word of the answer: what did not verify is not shown, not even as part of a message. */
export class Refusal extends Error {
  constructor(
    readonly reason: Reason,
    /** Fixed text of this program. */
    readonly detail: string,
  ) {
    super(`${reason}: ${detail}`);
  }
}

/** Runs a step whose failure means one thing. Its own message may quote the answer, so it is dropped. */
export async function refuseWith<T>(reason: Reason, detail: string, step: () => T | Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    throw error instanceof Refusal ? error : new Refusal(reason, detail);
  }
}
