/** The expressions of IC-CertificateExpression: a small, fixed form of CEL (HTTP gateway protocol, response verification 2). */

export interface Certification {
  /** undefined: nothing of the request is certified. */
  request?: { headers: string[]; parameters: string[] } | undefined;
  response: { only: boolean; headers: string[] };
}

interface Message {
  name: string;
  fields: Map<string, Value>;
}
type Value = string[] | Message;

class Parser {
  readonly #tokens: string[];

  constructor(text: string) {
    this.#tokens = text.match(/\s+|[A-Za-z_]+|"[^"\\]*"|./gs)?.filter((token) => token.trim() !== "") ?? [];
  }

  take(wanted?: string): string {
    const token = this.#tokens.shift();
    if (token === undefined || (wanted !== undefined && token !== wanted)) throw new Error(`no ${wanted ?? "token"} here`);
    return token;
  }

  end(): void {
    if (this.#tokens.length > 0) throw new Error("text after the expression");
  }

  #list(close: string, item: () => void): void {
    while (this.#tokens[0] !== close) {
      item();
      if (this.#tokens[0] !== close) this.take(",");
    }
    this.take(close);
  }

  value(): Value {
    const name = this.take();
    if (name === "[") {
      const strings: string[] = [];
      this.#list("]", () => {
        const token = this.take();
        if (!token.startsWith('"')) throw new Error("no string here");
        strings.push(token.slice(1, -1));
      });
      return strings;
    }
    this.take("{");
    const fields = new Map<string, Value>();
    this.#list("}", () => {
      const key = this.take();
      this.take(":");
      if (fields.has(key)) throw new Error("a field twice");
      fields.set(key, this.value());
    });
    return { name, fields };
  }
}

function message(value: Value | undefined, name: string): Map<string, Value> {
  if (!value || Array.isArray(value) || value.name !== name) throw new Error(`no ${name} here`);
  return value.fields;
}

function strings(value: Value | undefined): string[] {
  if (!Array.isArray(value)) throw new Error("no list here");
  return value;
}

function one(fields: Map<string, Value>, a: string, b: string): string {
  const [has, other] = [fields.has(a), fields.has(b)];
  if (has === other) throw new Error(`either ${a} or ${b}`);
  return has ? a : b;
}

/** undefined: the canister certifies that it certifies nothing. Throws for whatever is not of the form. */
export function parseExpression(text: string): Certification | undefined {
  const parser = new Parser(text);
  parser.take("default_certification");
  parser.take("(");
  const outer = message(parser.value(), "ValidationArgs");
  parser.take(")");
  parser.end();
  if (one(outer, "no_certification", "certification") === "no_certification") {
    message(outer.get("no_certification"), "Empty");
    return undefined;
  }
  const fields = message(outer.get("certification"), "Certification");
  let request: Certification["request"];
  if (one(fields, "no_request_certification", "request_certification") === "request_certification") {
    const inner = message(fields.get("request_certification"), "RequestCertification");
    const names = (key: string) => strings(inner.get(key));
    request = {
      headers: names("certified_request_headers").map((name) => name.toLowerCase()),
      parameters: names("certified_query_parameters"),
    };
  } else {
    message(fields.get("no_request_certification"), "Empty");
  }
  const inner = message(fields.get("response_certification"), "ResponseCertification");
  const which = one(inner, "certified_response_headers", "response_header_exclusions");
  const listed = strings(message(inner.get(which), "ResponseHeaderList").get("headers"));
  return {
    request,
    response: { only: which === "certified_response_headers", headers: listed.map((name) => name.toLowerCase()) },
  };
}
