/** What the workers are made of, without a browser: addresses, expressions, hash trees, settings. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Refusal, type Reason } from "../shared/refusal.ts";
import { canisterOf, isForCanister, principalBytes } from "../shared/routing.ts";
import { parseSettings, TIMEOUT } from "../shared/settings.ts";
import { parseExpression } from "../source/cel.ts";
import { compare, leaf, lookup, type Tree } from "../source/tree.ts";

const refused = (reason: Reason) => (error: unknown) => error instanceof Refusal && error.reason === reason;
const utf8 = (text: string) => new TextEncoder().encode(text);

describe("routing", () => {
  const here = "https://a.example";
  for (const [method, address, own] of [
    ["GET", "/", true],
    ["HEAD", "/a/b?api=/api/", true],
    ["POST", "/apis", true],
    ["GET", "/sw.js/", true],
    ["PUT", "/", false],
    ["GET", "/api", false],
    ["GET", "/api/v2/status", false],
    ["GET", "/sw.js?x", false],
    ["GET", "/ic-gateway.json", false],
    ["GET", "https://b.example/", false],
    ["GET", "http://a.example/", false],
  ] as const) {
    it(`${own ? "takes" : "leaves"} ${method} ${address}`, () => {
      assert.equal(isForCanister(method, new URL(address, here), here), own);
    });
  }

  // Identifiers of the Interface Specification, and of the network.
  for (const [text, hex] of [
    ["em77e-bvlzu-aq", "abcd01"],
    ["ryjl3-tyaaa-aaaaa-aaaba-cai", "00000000000000020101"],
    ["2vxsx-fae", "04"],
  ] as const) {
    it(`reads ${text}`, () => assert.equal(Buffer.from(principalBytes(text)).toString("hex"), hex));
  }

  for (const text of [
    "",
    "a",
    "em77e-bvlzu-ar",
    "em77e-bvlzu",
    "em77ebvlzuaq",
    "EM77E-BVLZU-AQ",
    "em77e-bvlz1-aq",
    "2vxsx-faf",
    "aaaaa-aa-",
    "ryjl3-tyaaa-aaaaa-aaaba-caj",
    "aaaaa-".repeat(11) + "aaaaa",
  ]) {
    it(`refuses the identifier "${text}"`, () => assert.throws(() => principalBytes(text), refused("bad-canister")));
  }

  const one = "ryjl3-tyaaa-aaaaa-aaaba-cai";
  const two = "em77e-bvlzu-aq";
  for (const [says, addresses] of [
    ["the host name", [`https://${one}.example/`]],
    ["the host name before the query", [`https://${one}.example/?canisterId=${two}`]],
    ["the address", [`https://a.example/?canisterId=${one}`, `https://a.example/?canisterId=${two}`]],
    ["the page", ["https://a.example/x", `https://a.example/?canisterId=${one}`, `https://a.example/?canisterId=${two}`]],
    ["the referring page", ["https://a.example/x", "", `https://a.example/?canisterId=${one}`]],
  ] as const) {
    it(`takes the canister of ${says}`, () => assert.equal(canisterOf(addresses), one));
  }

  it("finds no canister", () => {
    assert.throws(() => canisterOf(["https://www.example/", "", "about:client"]), refused("no-canister"));
  });

  it("refuses a mistyped canister, and looks for no other", () => {
    const good = `https://a.example/?canisterId=${one}`;
    assert.throws(() => canisterOf(["https://aaaaa-aaaab.example/", good]), refused("bad-canister"));
    assert.throws(() => canisterOf(["https://a.example/?canisterId=", good]), refused("bad-canister"));
  });
});

describe("expressions", () => {
  const certified = (request: string, response: string) =>
    `default_certification(ValidationArgs{certification:Certification{${request},response_certification:ResponseCertification{${response}}}})`;
  const none = "no_request_certification:Empty{}";
  const only = 'certified_response_headers:ResponseHeaderList{headers:["Content-Type","etag"]}';

  it("reads the certification of a response", () => {
    assert.deepEqual(parseExpression(certified(none, only)), {
      request: undefined,
      response: { only: true, headers: ["content-type", "etag"] },
    });
    assert.deepEqual(parseExpression(certified(none, "response_header_exclusions:ResponseHeaderList{headers:[]}")), {
      request: undefined,
      response: { only: false, headers: [] },
    });
  });

  it("reads the certification of a request; names of headers are in small letters, of parameters as they are", () => {
    const request =
      'request_certification:RequestCertification{certified_request_headers:["Accept"],certified_query_parameters:["Q", "r",]}';
    assert.deepEqual(parseExpression(certified(request, only))?.request, { headers: ["accept"], parameters: ["Q", "r"] });
  });

  it("reads that nothing is certified, with any white space", () => {
    assert.equal(parseExpression("\n default_certification ( ValidationArgs {\tno_certification : Empty { } } ) "), undefined);
  });

  for (const [what, text] of [
    ["nothing", ""],
    ["another function", "other(ValidationArgs{no_certification:Empty{}})"],
    ["another message", "default_certification(Args{no_certification:Empty{}})"],
    ["an expression without its end", "default_certification(ValidationArgs{no_certification:Empty{}}"],
    ["text after the end", "default_certification(ValidationArgs{no_certification:Empty{}})x"],
    ["neither", "default_certification(ValidationArgs{})"],
    ["both", certified(none, only).replace("ValidationArgs{", "ValidationArgs{no_certification:Empty{},")],
    ["a field twice", "default_certification(ValidationArgs{no_certification:Empty{},no_certification:Empty{}})"],
    ["no certification that is a list", "default_certification(ValidationArgs{no_certification:[]})"],
    ["no answer's certification", `default_certification(ValidationArgs{certification:Certification{${none}}})`],
    ["no word of the request", certified("", only).replace("{,", "{")],
    ["both lists of headers", certified(none, `${only},response_header_exclusions:ResponseHeaderList{headers:[]}`)],
    ["headers without quotes", certified(none, only.replace('"etag"', "etag"))],
    ["an escape in a string", certified(none, only.replace("etag", "e\\tag"))],
    ["a string without its end", certified(none, only.replace('etag"', "etag"))],
    ["no comma", certified(none, only.replace(",", " "))],
    ["a request without parameters", certified("request_certification:RequestCertification{certified_request_headers:[]}", only)],
  ] as const) {
    it(`refuses ${what}`, () => assert.throws(() => parseExpression(text), Error));
  }
});

describe("hash trees", () => {
  const at = (label: string, tree: Tree): Tree => [2, utf8(label), tree];
  const value = (text: string): Tree => [3, utf8(text)];
  const pruned: Tree = [4, new Uint8Array(32)];
  const fork = (...trees: Tree[]): Tree => trees.reduceRight((right, left): Tree => [1, left, right]);

  const tree = fork(at("b", value("1")), at("d", fork(at("x", value("2")), at("z", [0]))), pruned, at("h", value("3")));

  it("finds leaves", () => {
    assert.deepEqual(leaf(tree, ["b"]), utf8("1"));
    assert.deepEqual(leaf(tree, [utf8("d"), "x"]), utf8("2"));
    assert.deepEqual(leaf(tree, ["h"]), utf8("3"));
  });

  it("takes no inner node for a leaf", () => {
    assert.equal(leaf(tree, ["d"]), undefined);
    assert.equal(leaf(tree, ["d", "z"]), undefined);
  });

  for (const path of [["a"], ["c"], ["bb"], ["d", "y"], ["d", "zz"], ["d", "z", "a"], ["i"], ["b", "a"]]) {
    it(`proves that ${path.join("/")} is absent`, () => assert.equal(lookup(tree, path), "absent"));
  }
  for (const path of [["e"], ["g"], ["dd"]]) {
    it(`knows nothing of ${path.join("/")}, where a part was left out`, () => assert.equal(lookup(tree, path), "unknown"));
  }

  it("knows nothing beside a part that was left out at the edge", () => {
    assert.equal(lookup(fork(pruned, at("b", [0])), ["a"]), "unknown");
    assert.equal(lookup(fork(at("b", [0]), pruned), ["c"]), "unknown");
    assert.equal(lookup(fork(at("b", [0]), pruned), ["a"]), "absent");
    assert.equal(lookup(pruned, ["a"]), "unknown");
    assert.equal(lookup([0], ["a"]), "absent");
  });

  it("orders labels by their bytes, a beginning first", () => {
    const labels = ["", "a", "aa", "b", "\u{7f}", "\u{80}"].map(utf8);
    assert.deepEqual([...labels].reverse().sort(compare), labels);
  });
});

describe("settings", () => {
  const key = "308182301d060d2b0601040182dc7c0503010201060c2b0601040182dc7c05030201036100" + "07".repeat(96);
  const parsed = (value: object) => parseSettings(JSON.stringify(value));

  it("reads a key", () => {
    const { rootKey, timeout } = parsed({ root_key: key });
    assert.equal(Buffer.from(rootKey).toString("hex"), key);
    assert.equal(timeout, TIMEOUT);
  });

  for (const [limit, timeout] of [
    [1, 1],
    [TIMEOUT - 1, TIMEOUT - 1],
    [TIMEOUT + 1, TIMEOUT],
    [0, TIMEOUT],
    [-5, TIMEOUT],
    ["5", TIMEOUT],
    [null, TIMEOUT],
  ] as const) {
    it(`makes ${timeout} of a limit of ${JSON.stringify(limit)}`, () => {
      assert.equal(parsed({ root_key: key, timeout_ms: limit }).timeout, timeout);
    });
  }

  for (const [what, text] of [
    ["nothing", ""],
    ["a page", "<!doctype html>"],
    ["null", "null"],
    ["a list", "[]"],
    ["no key", "{}"],
    ["a key that is a number", '{"root_key": 5}'],
    ["a short key", JSON.stringify({ root_key: key.slice(2) })],
    ["a long key", JSON.stringify({ root_key: `${key}00` })],
    ["a key in capitals", JSON.stringify({ root_key: key.toUpperCase() })],
    ["a key with a line's end", JSON.stringify({ root_key: `${key}\n` })],
    ["a key of another kind", JSON.stringify({ root_key: key.replace("dc7c", "dc7d") })],
  ] as const) {
    it(`refuses ${what}`, () => assert.throws(() => parseSettings(text), refused("no-root-key")));
  }
});
