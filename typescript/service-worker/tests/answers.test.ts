/** What a page gets, of a stand-in for the canister: what it is asked, and what answer() makes of whatever it says. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import {
  answer,
  type Canister,
  type Chunk,
  type Headers_,
  type HttpRequest,
  type HttpResponse,
  MAXIMUM_CHUNKS,
  MAXIMUM_REQUEST,
  MAXIMUM_RESPONSE,
  type Verified,
} from "../shared/gateway.ts";
import { type Reason, Refusal } from "../shared/refusal.ts";

const ORIGIN = "https://em77e-bvlzu-aq.example";
const bytes = (text: string) => new TextEncoder().encode(text);
const TEXT = "certified text";

type Said = Partial<Omit<HttpResponse, "body">> & { body?: string | Uint8Array<ArrayBuffer> };

function response({ body = TEXT, ...rest }: Said): HttpResponse {
  return { status: 200, headers: [], upgrade: false, body: typeof body === "string" ? bytes(body) : body, ...rest };
}

/** Says what it is told to, one answer after the other, certifies all of it, and remembers what it was asked. */
class StandIn implements Canister {
  readonly queries: HttpRequest[] = [];
  readonly updates: HttpRequest[] = [];
  readonly verified: HttpResponse[] = [];

  constructor(
    readonly said: Said[],
    readonly updated: Said = {},
  ) {}

  query(request: HttpRequest): Promise<HttpResponse> {
    this.queries.push(request);
    return Promise.resolve(response(this.said[this.queries.length - 1] ?? assert.fail("a query too many")));
  }

  update(request: HttpRequest): Promise<HttpResponse> {
    this.updates.push(request);
    return Promise.resolve(response(this.updated));
  }

  verify(_request: HttpRequest, said: HttpResponse): Promise<Verified> {
    this.verified.push(said);
    return Promise.resolve({ status: said.status, headers: said.headers });
  }
}

const ask = (canister: Canister, init: RequestInit = {}, path = "/a") => answer(canister, new Request(`${ORIGIN}${path}`, init));

async function refuses(canister: Canister, reason: Reason, init: RequestInit = {}): Promise<void> {
  const refusal: unknown = await ask(canister, init).then(
    () => "an answer",
    (error: unknown) => error,
  );
  assert.ok(refusal instanceof Refusal, String(refusal));
  assert.equal(refusal.reason, reason);
}

describe("a request", () => {
  it("is the canister's with its method, path, query, body and headers; the encodings are those that can be unpacked", async () => {
    const canister = new StandIn([{}]);
    const init = {
      method: "POST",
      body: "text",
      headers: { "content-type": "text/plain", "accept-encoding": "br", host: "other.example" },
    };
    await ask(canister, init, "/a/b%20c?d=e#f");
    const [request] = canister.queries;
    assert.deepEqual([request?.method, request?.url, request?.body], ["POST", "/a/b%20c?d=e", bytes("text")]);
    assert.deepEqual(request?.headers, [
      ["host", "em77e-bvlzu-aq.example"],
      ["content-type", "text/plain"],
      ["accept-encoding", "gzip, deflate, identity"],
    ]);
  });

  it("may have a body of 2 MiB, and none that is larger", async () => {
    await ask(new StandIn([{}]), { method: "POST", body: new Uint8Array(MAXIMUM_REQUEST) });
    await refuses(new StandIn([]), "too-large", { method: "POST", body: new Uint8Array(MAXIMUM_REQUEST + 1) });
  });
});

describe("an upgrade", () => {
  it("is not made unless the answer asks for it", async () => {
    const canister = new StandIn([{}]);
    assert.equal(await (await ask(canister)).text(), TEXT);
    assert.deepEqual([canister.updates.length, canister.verified.length], [0, 1]);
  });

  it("sends the same request as an update call, whose answer is verified already", async () => {
    const canister = new StandIn([{ upgrade: true, body: "nobody certifies this" }], { status: 201, body: "updated" });
    const answered = await ask(canister, { method: "POST", body: "text" });
    assert.deepEqual([answered.status, await answered.text()], [201, "updated"]);
    assert.deepEqual(canister.updates, canister.queries);
    assert.equal(canister.verified.length, 0);
  });

  for (const [what, said] of [
    ["asks for another", { upgrade: true }],
    ["goes on", { next: () => Promise.resolve({ body: bytes("more") }) }],
  ] as const) {
    it(`is refused when its answer ${what}`, () => refuses(new StandIn([{ upgrade: true }], said), "unverified"));
  }
});

/** A streamed answer of parts, each made when it is asked for. */
function stream(count: number, part: (at: number) => Uint8Array<ArrayBuffer>): Chunk {
  const from = (at: number): Chunk => ({ body: part(at), next: at + 1 < count ? () => Promise.resolve(from(at + 1)) : undefined });
  return from(0);
}

describe("a streamed answer", () => {
  it("is put together before it is verified", async () => {
    const canister = new StandIn([stream(3, (at) => bytes(`${at};`))]);
    assert.equal(await (await ask(canister)).text(), "0;1;2;");
    assert.deepEqual(
      canister.verified.map(({ body, next }) => [body, next]),
      [[bytes("0;1;2;"), undefined]],
    );
  });

  it("has as many parts as it may, and no more", async () => {
    const most = await ask(new StandIn([stream(MAXIMUM_CHUNKS, () => bytes("."))]));
    assert.equal((await most.text()).length, MAXIMUM_CHUNKS);
    await refuses(new StandIn([stream(MAXIMUM_CHUNKS + 1, () => bytes("."))]), "garbage");
  });

  it("is refused when it is too large, whatever would follow", async () => {
    const half = new Uint8Array(MAXIMUM_RESPONSE / 2);
    const parts = [half, half, bytes(".")];
    await refuses(new StandIn([stream(4, (at) => parts[at] ?? assert.fail("a part too many"))]), "garbage");
  });

  it("is refused when a part does not come", async () => {
    const next = () => Promise.reject(new Refusal("timeout", "late"));
    await refuses(new StandIn([{ next }]), "timeout");
  });
});

const range = (text: string, at: number, total: number | string, rest: Headers_ = []): Said => ({
  status: 206,
  body: text,
  headers: [["Content-Range", `bytes ${at}-${at + text.length - 1}/${total}`], ...rest],
});

describe("ranges", () => {
  it("are asked for one after the other and put together", async () => {
    const etag: Headers_ = [["etag", '"1"']];
    const canister = new StandIn([range("abc", 0, 8, etag), range("def", 3, 8, etag), range("gh", 6, 8, etag)]);
    const answered = await ask(canister);
    assert.deepEqual([answered.status, await answered.text()], [200, "abcdefgh"]);
    assert.deepEqual([...answered.headers], [["etag", '"1"']]);
    const asked = canister.queries.map(({ headers }) => headers.filter(([name]) => name === "range").map(([, value]) => value));
    assert.deepEqual(asked, [[], ["bytes=3-"], ["bytes=6-"]]);
  });

  it("are unpacked when they are together", async () => {
    const packed = gzipSync(TEXT).toString("latin1");
    const latin1 = (at: number, to?: number): Said => {
      const part = Uint8Array.from(Buffer.from(packed.slice(at, to), "latin1"));
      return { ...range(packed.slice(at, to), at, packed.length, [["content-encoding", "gzip"]]), body: part };
    };
    assert.equal(await (await ask(new StandIn([latin1(0, 9), latin1(9)]))).text(), TEXT);
  });

  it("are the page's own business when it asked for one", async () => {
    const answered = await ask(new StandIn([range("def", 3, 8)]), { headers: { range: "bytes=3-5" } });
    assert.deepEqual([answered.status, await answered.text()], [206, "def"]);
    assert.equal(answered.headers.get("content-range"), "bytes 3-5/8");
  });

  const misfits: [string, Said[]][] = [
    ["the first is not at the beginning", [range("bc", 1, 3)]],
    ["one is left out", [range("ab", 0, 6), range("ef", 4, 6)]],
    ["one comes again", [range("ab", 0, 6), range("ab", 0, 6)]],
    ["one is shorter than it says", [{ ...range("abc", 0, 6), body: "ab" }]],
    ["one is longer than it says", [{ ...range("abc", 0, 6), body: "abcd" }]],
    ["one is empty", [range("ab", 0, 6), range("", 2, 6)]],
    ["one goes beyond the end", [range("ab", 0, 3), range("cd", 2, 3)]],
    ["the whole grows", [range("ab", 0, 4), range("cd", 2, 6)]],
    ["the whole is of no known size", [range("ab", 0, "*")]],
    ["the size is no number of 12 digits", [range("ab", 0, "1234567890123")]],
    ["one does not say where it is", [{ status: 206, headers: [] }]],
    ["the next is no range", [range("ab", 0, 4), { ...range("cd", 2, 4), status: 200 }]],
    ["the next is of another version", [range("ab", 0, 4, [["etag", "1"]]), range("cd", 2, 4, [["etag", "2"]])]],
    ["the next is of no version", [range("ab", 0, 4, [["etag", "1"]]), range("cd", 2, 4)]],
  ];
  for (const [what, said] of misfits) {
    it(`are refused when ${what}`, () => refuses(new StandIn(said), "unverified"));
  }

  it("are refused when there is too much of them, or there are too many", async () => {
    await refuses(new StandIn([range("ab", 0, MAXIMUM_RESPONSE + 1)]), "garbage");
    const bit = (at: number) => range("a", at, MAXIMUM_CHUNKS + 1);
    await refuses(new StandIn(Array.from({ length: MAXIMUM_CHUNKS }, (_, at) => bit(at))), "garbage");
  });
});

describe("an encoding", () => {
  for (const [encoding, body] of [
    ["identity", bytes(TEXT)],
    ["gzip", new Uint8Array(gzipSync(TEXT))],
    [" GZIP ", new Uint8Array(gzipSync(TEXT))],
    ["deflate", new Uint8Array(deflateSync(TEXT))],
  ] as const) {
    it(`is undone after the body is verified as it came: "${encoding}"`, async () => {
      const canister = new StandIn([
        {
          body,
          headers: [
            ["Content-Encoding", encoding],
            ["content-length", "5"],
          ],
        },
      ]);
      const answered = await ask(canister);
      assert.equal(await answered.text(), TEXT);
      assert.deepEqual([...answered.headers], []);
      assert.deepEqual(canister.verified[0]?.body, body);
    });
  }

  for (const [what, encoding, body] of [
    ["was not asked for", "br", bytes(TEXT)],
    ["was not asked for, though it could be undone", "deflate-raw", new Uint8Array(deflateRawSync(TEXT))],
    ["is two", "gzip, gzip", new Uint8Array(gzipSync(gzipSync(TEXT)))],
    ["is none of what came", "gzip", bytes(TEXT)],
    ["is another than it says", "deflate", new Uint8Array(gzipSync(TEXT))],
    ["is cut off", "gzip", new Uint8Array(gzipSync(TEXT)).slice(0, -1)],
    ["unpacks to too much", "gzip", new Uint8Array(gzipSync(new Uint8Array(MAXIMUM_RESPONSE + 1)))],
  ] as const) {
    it(`is refused that ${what}`, () => refuses(new StandIn([{ body, headers: [["content-encoding", encoding]] }]), "garbage"));
  }
});

describe("an answer", () => {
  it("has the certified headers, less those of the transport and of the verifier", async () => {
    const withheld = [
      "Connection",
      "Content-Length",
      "IC-Certificate",
      "IC-CertificateExpression",
      "Keep-Alive",
      "Set-Cookie",
      "Transfer-Encoding",
    ];
    const said: Headers_ = [...withheld.map((name): [string, string] => [name, "1"]), ["X-A", "1"], ["x-a", "2"]];
    assert.deepEqual([...(await ask(new StandIn([{ headers: said }]))).headers], [["x-a", "1, 2"]]);
  });

  it("has the headers and the status that verify() gives, and no others", async () => {
    const canister = new StandIn([{ status: 404, headers: [["x-a", "1"]] }]);
    canister.verify = () => Promise.resolve({ status: 203, headers: [["x-b", "2"]] });
    const answered = await ask(canister);
    assert.deepEqual([answered.status, [...answered.headers]], [203, [["x-b", "2"]]]);
  });

  for (const [status, method] of [
    [204, "GET"],
    [205, "GET"],
    [304, "GET"],
    [200, "HEAD"],
  ] as const) {
    it(`of status ${status} to ${method} has no body`, async () => {
      const answered = await ask(new StandIn([{ status, headers: [["content-encoding", "br"]] }]), { method });
      assert.deepEqual([answered.status, answered.body], [status, null]);
    });
  }

  for (const [location, address] of [
    ["/b?c", `${ORIGIN}/b?c`],
    ["b", `${ORIGIN}/b`],
    ["http://b.example/", "http://b.example/"],
  ] as const) {
    it(`redirects to ${location}`, async () => {
      const answered = await ask(new StandIn([{ status: 301, headers: [["Location", location]] }]));
      assert.deepEqual([answered.status, answered.headers.get("location")], [301, address]);
    });
  }

  const malformed: [string, Said][] = [
    ["whose status is below HTTP's", { status: 199 }],
    ["whose status is above HTTP's", { status: 600 }],
    ["whose header has a line's end", { headers: [["x-a", "1\r\nx-b: 2"]] }],
    ["whose header has no name", { headers: [["", "1"]] }],
    ["that redirects to nowhere", { status: 302 }],
    ["that redirects to a script", { status: 307, headers: [["location", "javascript:alert(1)"]] }],
    ["that redirects to no address", { status: 308, headers: [["location", "http://"]] }],
  ];
  for (const [what, said] of malformed) {
    it(`is refused ${what}`, () => refuses(new StandIn([said]), "garbage"));
  }
});
