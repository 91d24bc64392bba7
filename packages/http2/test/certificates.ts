import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

export interface TestCertificates {
  /** Who signed the others. */
  readonly ca: string;
  /** For localhost and 127.0.0.1. */
  readonly server: Certificate;
  /** For CN=ann. */
  readonly client: Certificate;
}

let made: TestCertificates | undefined;

/** The certificates of this process. For the tests of all packages. */
export function testCertificates(): TestCertificates {
  made ??= createCertificates();
  return made;
}

/** An authority of its own, a server and a client called ann, made by the openssl command. */
export function createCertificates(): TestCertificates {
  const folder = mkdtempSync(join(tmpdir(), "clew-certificates-"));
  const openssl = (...args: string[]): void => void execFileSync("openssl", args, { cwd: folder, stdio: "ignore" });
  const read = (file: string): string => readFileSync(join(folder, file), "utf8");
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const authority = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"];
  const sign = (subject: string, names: string): Certificate => {
    writeFileSync(join(folder, "names"), `subjectAltName=${names}\n`);
    openssl("req", ...newKey, "-subj", subject, "-keyout", "key", "-out", "request");
    openssl("x509", "-req", "-in", "request", ...authority, "-out", "crt");
    return { key: read("key"), cert: read("crt") };
  };
  try {
    openssl("req", "-x509", ...newKey, "-days", "2", "-subj", "/CN=test ca", "-keyout", "ca.key", "-out", "ca.crt");
    return {
      ca: read("ca.crt"),
      server: sign("/CN=localhost", "DNS:localhost,IP:127.0.0.1"),
      client: sign("/CN=ann/O=test", "URI:spiffe://test/ann"),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
