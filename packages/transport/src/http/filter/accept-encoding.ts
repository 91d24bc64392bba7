/** How much a caller wants an encoding: 0 is not at all. */
export type EncodingQuality = (encoding: string) => number;

/** Other names of the same (RFC 9110 section 8.4.1). */
const aliases: Readonly<Record<string, string | undefined>> = { "x-gzip": "gzip", "x-compress": "compress" };

/**
 * Reads `Accept-Encoding` (RFC 9110 section 12.5.3). Without the header a caller takes anything, but one that knows of no encoding
 * does not say so either: then it is `identity` alone.
 */
export function readAcceptEncoding(header: string | undefined): EncodingQuality {
  const qualities = new Map<string, number>();
  for (const item of (header ?? "").split(",")) {
    const [coding = "", ...parameters] = item.split(";").map((part) => part.trim().toLowerCase());
    if (coding === "") continue;
    const weight = parameters.find((parameter) => /^q\s*=/.test(parameter));
    const quality = weight === undefined ? 1 : Number(weight.slice(weight.indexOf("=") + 1));
    // A weight that is none (RFC 9110 section 12.4.2) makes no wish.
    if (quality >= 0 && quality <= 1) qualities.set(aliases[coding] ?? coding, quality);
  }
  const others = qualities.get("*");
  // What is sent as it is is fine with everybody who does not say otherwise, but the last choice.
  if (!qualities.has("identity")) qualities.set("identity", others === 0 ? 0 : Number.MIN_VALUE);
  return (encoding) => qualities.get(encoding) ?? others ?? 0;
}

/**
 * The encoding a caller wants most of those that can be had; of equals the first. Undefined when it wants
 * it as it is, or none of them.
 */
export function chooseEncoding<E extends string>(header: string | undefined, encodings: readonly E[]): E | undefined {
  const quality = readAcceptEncoding(header);
  let best: E | undefined;
  let bestQuality = 0;
  for (const encoding of encodings) {
    if (quality(encoding) <= bestQuality) continue;
    best = encoding;
    bestQuality = quality(encoding);
  }
  return quality("identity") > bestQuality ? undefined : best;
}
