/**
 * Header fields in order, flat: name, value, name, value. Names are in lower case, pseudo-headers come first. A character is
 * a byte: bytes above 0x7f are the characters U+0080 to U+00FF.
 */
export type HeaderFields = readonly string[];

/** What a header block was decoded to. One block may stand for many messages that said the same: nobody changes it. */
export class HeaderBlock {
  readonly fields: HeaderFields;
  /** The list's size as RFC 9113 section 6.5.2 counts it. */
  readonly listBytes: number;
  /** Whether the list is over the limit; `fields` then has what came before. */
  readonly isTooLarge: boolean;
  /** Whether a name or value in it is not legal in HTTP/2. */
  readonly isFlawed: boolean;
  #verdicts: (Verdict | undefined)[] | undefined;

  constructor(fields: HeaderFields, listBytes: number, isTooLarge: boolean, isFlawed: boolean) {
    this.fields = fields;
    this.listBytes = listBytes;
    this.isTooLarge = isTooLarge;
    this.isFlawed = isFlawed;
  }

  /** What it is worth as a message of this kind; judged once. */
  judge(kind: MessageKind): Verdict {
    this.#verdicts ??= [undefined, undefined, undefined];
    this.#verdicts[kind] ??= judgeFields(this, kind);
    return this.#verdicts[kind];
  }
}

export const MessageKind = { REQUEST: 0, RESPONSE: 1, TRAILERS: 2 } as const;

export type MessageKind = (typeof MessageKind)[keyof typeof MessageKind];

export interface Verdict {
  /** What makes the message malformed (RFC 9113 section 8.1.1), or undefined. */
  readonly flaw: string | undefined;
  /** The value of content-length, or -1. */
  readonly contentLength: number;
  /** The value of `:status`, or 0. */
  readonly status: number;
  readonly method: string;
}

const colon = 0x3a;

function judgeFields(block: HeaderBlock, kind: MessageKind): Verdict {
  const fields = block.fields;
  let flaw = block.isFlawed ? "a name or value has characters it cannot have" : undefined;
  let at = 0;
  const pseudo = new Map<string, string>();
  for (; at < fields.length && fields[at]!.charCodeAt(0) === colon; at += 2) {
    const name = fields[at]!;
    if (pseudo.has(name)) flaw ??= `${name} twice`;
    pseudo.set(name, fields[at + 1]!);
  }
  flaw ??= findPseudoFlaw(pseudo, kind);
  let contentLength = -1;
  for (; at < fields.length; at += 2) {
    const name = fields[at]!;
    const value = fields[at + 1]!;
    if (name.charCodeAt(0) === colon) flaw ??= `${name} after other fields`;
    else if (isConnectionSpecific(name)) flaw ??= `${name}, which belongs to HTTP/1.1`;
    else if (name === "te" && value !== "trailers") flaw ??= "te other than trailers";
    // Only of requests: grpc-go sends a grpc-message as it is, and a call must not fail over a blank at its end.
    else if (kind === MessageKind.REQUEST && hasEdgeSpace(value)) flaw ??= "white space at an end of a value";
    else if (name === "content-length") {
      const length = /^\d{1,15}$/.test(value) ? Number(value) : -1;
      if (length < 0 || (contentLength >= 0 && length !== contentLength)) flaw ??= "content-length is not one number";
      contentLength = length;
    }
  }
  const status = Number(pseudo.get(":status") ?? 0);
  return { flaw, contentLength, status, method: pseudo.get(":method") ?? "" };
}

// RFC 9113 sections 8.3.1, 8.3.2 and 8.1.
function findPseudoFlaw(pseudo: ReadonlyMap<string, string>, kind: MessageKind): string | undefined {
  if (kind === MessageKind.TRAILERS) return pseudo.size > 0 ? "a pseudo-header in trailers" : undefined;
  if (kind === MessageKind.RESPONSE) {
    if (!/^[1-9]\d\d$/.test(pseudo.get(":status") ?? "")) return "a response without :status";
    return pseudo.size > 1 ? "a request's pseudo-header in a response" : undefined;
  }
  for (const name of pseudo.keys()) {
    if (!requestPseudo.has(name)) return `${name} in a request`;
  }
  if (!pseudo.get(":method")) return "a request without :method";
  if (pseudo.get(":method") === "CONNECT") {
    return pseudo.size === 2 && pseudo.has(":authority") ? undefined : "a CONNECT of more than :authority";
  }
  if (!pseudo.get(":path")) return "a request without :path";
  return pseudo.get(":scheme") ? undefined : "a request without :scheme";
}

const requestPseudo: ReadonlySet<string> = new Set([":method", ":scheme", ":authority", ":path"]);

// RFC 9113 section 8.2.2. The length first: of a thousand names, few go on to be compared.
function isConnectionSpecific(name: string): boolean {
  switch (name.length) {
    case 7:
      return name === "upgrade";
    case 10:
      return name === "connection" || name === "keep-alive";
    case 16:
      return name === "proxy-connection";
    case 17:
      return name === "transfer-encoding";
    default:
      return false;
  }
}

// One byte per character code: what may be in a name after its first character (RFC 9113 section 8.2.1, RFC 9110 section 5.1).
const nameCharacters: Uint8Array = new Uint8Array(256);
for (const character of "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~") {
  nameCharacters[character.charCodeAt(0)] = 1;
}

/** Whether the bytes make a legal name, pseudo-header or not. */
export function isLegalName(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  if (at < end && bytes[at] === colon) at++;
  if (at >= end) return false;
  for (; at < end; at++) {
    if (nameCharacters[bytes[at]!] === 0) return false;
  }
  return true;
}

/** Whether the bytes make a legal value: no NUL, CR or LF. White space at its ends is for {@link judgeFields}. */
export function isLegalValue(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte <= 0x0d && (byte === 0 || byte === 0x0a || byte === 0x0d)) return false;
  }
  return true;
}

/** {@link isLegalName} for a string that is to be sent. */
export function isSendableName(name: string): boolean {
  let at = name.charCodeAt(0) === colon ? 1 : 0;
  if (at >= name.length) return false;
  for (; at < name.length; at++) {
    const code = name.charCodeAt(at);
    if (code > 0x7f || nameCharacters[code] === 0) return false;
  }
  return true;
}

/** Whether there is white space at an end of a value. */
function hasEdgeSpace(value: string): boolean {
  const first = value.charCodeAt(0);
  const last = value.charCodeAt(value.length - 1);
  return first === 0x20 || first === 0x09 || last === 0x20 || last === 0x09;
}

/** {@link isLegalValue} for a string that is to be sent; stricter: no control character but tab, no white space at its ends. */
export function isSendableValue(value: string): boolean {
  const length = value.length;
  for (let at = 0; at < length; at++) {
    const code = value.charCodeAt(at);
    if (code <= 0x20) {
      if (code !== 0x20 && code !== 0x09) return false;
      if (at === 0 || at === length - 1) return false;
    } else if (code === 0x7f || code > 0xff) return false;
  }
  return true;
}
