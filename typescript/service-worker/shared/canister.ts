/** A canister, asked through the published agent and its candid; what comes back is verified by whoever is handed in. */

import { HttpAgent, RejectError } from "@icp-sdk/core/agent";
import { IDL, idlLabelToId } from "@icp-sdk/core/candid";
import { Principal } from "@icp-sdk/core/principal";
import type { Bytes, Canister, Chunk, Headers_, HttpRequest, HttpResponse, Verified } from "./gateway.ts";
import { Refusal, refuseWith } from "./refusal.ts";
import type { Settings } from "./settings.ts";
import { limitedFetch } from "./transport.ts";

/** What verifies: the request as the canister saw it, its whole answer, and whose it is. */
export type Verify = (request: HttpRequest, response: HttpResponse, canister: Bytes, rootKey: Bytes) => Verified | Promise<Verified>;

const Headers = IDL.Vec(IDL.Tuple(IDL.Text, IDL.Text));
const Request = IDL.Record({
  method: IDL.Text,
  url: IDL.Text,
  headers: Headers,
  body: IDL.Vec(IDL.Nat8),
  certificate_version: IDL.Opt(IDL.Nat16),
});
const Response = IDL.Record({
  status_code: IDL.Nat16,
  headers: Headers,
  body: IDL.Vec(IDL.Nat8),
  upgrade: IDL.Opt(IDL.Bool),
});
const Part = IDL.Record({ body: IDL.Vec(IDL.Nat8) });

interface Answer {
  status_code: number;
  headers: Headers_;
  body: Uint8Array | number[];
  upgrade: [] | [boolean];
}

/**
 * A value with the type that it came with. A streaming token is of a type of the canister's own, and goes back as it came,
 * so the messages that hold one are read by their own types as well as by ours.
 */
interface Typed {
  type: IDL.Type;
  value: unknown;
}

interface Inner {
  _fields?: [string, IDL.Type][];
  _type?: IDL.Type;
}

function asItCame(bytes: Uint8Array): Typed {
  const value = IDL.decode([IDL.Unknown], bytes)[0] as unknown as { type(): IDL.Type };
  return { type: value.type(), value };
}

/** Types of a message refer to each other through its table. */
function resolved(type: IDL.Type): IDL.Type {
  return type instanceof IDL.RecClass ? (type.getType() ?? type) : type;
}

/** A field of a record, or the alternative of a variant; of an opt, of what is in it. undefined: there is none. */
function member({ type, value }: Typed, name: string): Typed | undefined {
  const named = resolved(type);
  const { _fields: fields, _type: inside } = named as unknown as Inner;
  if (named instanceof IDL.OptClass && inside) {
    const [content] = value as [] | [unknown];
    return content === undefined ? undefined : member({ type: inside, value: content }, name);
  }
  const key = `_${idlLabelToId(name)}_`;
  const field = fields?.find(([label]) => label === key);
  const content = (value as Record<string, unknown> | null)?.[key];
  return field && content !== undefined ? { type: field[1], value: content } : undefined;
}

const UNREADABLE = "What came is no answer of a canister that serves web pages.";

export function connect(verify: Verify) {
  return (id: string, settings: Settings, origin: string): Canister => new AgentCanister(verify, Principal.fromText(id), settings, origin);
}

class AgentCanister implements Canister {
  readonly #agent: HttpAgent;

  constructor(
    readonly check: Verify,
    readonly id: Principal,
    readonly settings: Settings,
    origin: string,
  ) {
    this.#agent = HttpAgent.createSync({
      host: origin,
      fetch: limitedFetch(settings.timeout),
      retryTimes: 0,
      rootKey: settings.rootKey,
      // The certificate in the answer vouches for it; a node's signature would add nothing but a request.
      verifyQuerySignatures: false,
    });
  }

  async #ask(method: string, argument: Uint8Array): Promise<Uint8Array> {
    const answer = await this.#agent.query(this.id, { methodName: method, arg: argument }).catch((error: unknown) => {
      throw cause(error) ?? new Refusal("garbage", "The API's answer cannot be read.");
    });
    // Whatever decodes as CBOR comes here.
    const { status } = answer as { status?: unknown };
    if (status !== "replied" && status !== "rejected") throw new Refusal("garbage", "The API's answer is none of a query.");
    if (answer.status !== "replied") throw new Refusal("rejected", `The replica rejects the query of ${method}.`);
    return answer.reply.arg;
  }

  async query(request: HttpRequest): Promise<HttpResponse> {
    const argument = IDL.encode([Request], [{ ...request, certificate_version: [2] }]);
    return this.#response(await this.#ask("http_request", new Uint8Array(argument)));
  }

  async update(request: HttpRequest): Promise<HttpResponse> {
    const argument = IDL.encode([Request], [{ ...request, certificate_version: [] }]);
    const detail = "The update call brought no certified answer.";
    const reply = await refuseWith("unverified", detail, async () => {
      const call = { methodName: "http_request_update", arg: new Uint8Array(argument) };
      const strategy = untilLimit(this.settings.timeout);
      const answer = await this.#agent.update(this.id, call, { strategy }).catch((error: unknown) => {
        if (error instanceof RejectError) throw new Refusal("rejected", "The replica rejects the update call.");
        throw cause(error) ?? error;
      });
      return answer.reply;
    });
    return this.#response(reply);
  }

  verify(request: HttpRequest, response: HttpResponse): Promise<Verified> {
    const detail = "Its certificate, or what the certificate says of it, does not hold.";
    return refuseWith("unverified", detail, () =>
      this.check(request, response, new Uint8Array(this.id.toUint8Array()), this.settings.rootKey),
    );
  }

  async #response(bytes: Uint8Array): Promise<HttpResponse> {
    const { answer, callback } = await refuseWith("garbage", UNREADABLE, () => {
      const raw = member(asItCame(bytes), "streaming_strategy");
      return { answer: IDL.decode([Response], bytes)[0] as unknown as Answer, callback: raw && member(raw, "Callback") };
    });
    const token = callback && member(callback, "token");
    const func = callback && (member(callback, "callback")?.value as [Principal, string] | undefined);
    return {
      status: answer.status_code,
      headers: answer.headers,
      body: new Uint8Array(answer.body),
      upgrade: answer.upgrade[0] ?? false,
      next: token && func && (() => this.#part(func, token)),
    };
  }

  async #part([of, method]: [Principal, string], { type, value }: Typed): Promise<Chunk> {
    // The certificate is this canister's; another would be asked in its name.
    if (of.toText() !== this.id.toText()) throw new Refusal("garbage", "The answer goes on at another canister.");
    const argument = await refuseWith("garbage", UNREADABLE, () => new Uint8Array(IDL.encode([type], [value])));
    const bytes = await this.#ask(method, argument);
    return refuseWith("garbage", UNREADABLE, () => {
      const part = IDL.decode([Part], bytes)[0] as unknown as { body: Uint8Array | number[] };
      const rest = member(asItCame(bytes), "token");
      const next = rest && content(rest);
      return { body: new Uint8Array(part.body), next: next && (() => this.#part([of, method], next)) };
    });
  }
}

/** What is in an opt. */
function content({ type, value }: Typed): Typed | undefined {
  const { _type: inside } = resolved(type) as unknown as Inner;
  const [inner] = value as [] | [unknown];
  return inside && inner !== undefined ? { type: inside, value: inner } : undefined;
}

/** Between two questions what became of an update call; the agent by itself would go on for 5 minutes. */
function untilLimit(limit: number): () => Promise<void> {
  const end = Date.now() + limit;
  return () => {
    const left = end - Date.now();
    if (left <= 0) throw new Refusal("timeout", `The update call did not end within ${limit / 1000} s.`);
    return new Promise((resolve) => setTimeout(resolve, Math.min(left, 1000)));
  };
}

/** The agent wraps what its fetch threw. */
function cause(error: unknown): Refusal | undefined {
  for (let at = error, depth = 0; at && depth < 8; depth++) {
    if (at instanceof Refusal) return at;
    const { cause: inner, code, error: plain } = at as { cause?: unknown; code?: unknown; error?: unknown };
    at = inner ?? plain ?? code;
  }
  return undefined;
}
