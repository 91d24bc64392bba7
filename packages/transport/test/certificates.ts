import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TestCertificates {
  /** Who signed the others. */
  readonly ca: string;
  readonly server: { readonly key: string; readonly cert: string };
  /** For CN=ann. */
  readonly client: { readonly key: string; readonly cert: string };
}

let made: TestCertificates | undefined;

/** An authority, a server for localhost and a client called ann, made once per process by the openssl command. */
export function testCertificates(): TestCertificates {
  made ??= make();
  return made;
}

function make(): TestCertificates {
  const folder = mkdtempSync(join(tmpdir(), "clew-transport-"));
  const path = (name: string): string => join(folder, name);
  const openssl = (...parameters: string[]): void => void execFileSync("openssl", parameters, { stdio: "ignore" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  try {
    openssl(
      "req",
      "-x509",
      ...newKey,
      "-days",
      "2",
      "-subj",
      "/CN=test ca",
      "-keyout",
      path("ca.key"),
      "-out",
      path("ca"),
    );
    const sign = (name: string, subject: string, extension: string): { key: string; cert: string } => {
      writeFileSync(path("extension"), extension);
      openssl("req", ...newKey, "-subj", subject, "-keyout", path(`${name}.key`), "-out", path(`${name}.csr`));
      const authority = ["-CA", path("ca"), "-CAkey", path("ca.key"), "-CAcreateserial", "-days", "2"];
      openssl(
        "x509",
        "-req",
        "-in",
        path(`${name}.csr`),
        ...authority,
        "-extfile",
        path("extension"),
        "-out",
        path(name),
      );
      return { key: readFileSync(path(`${name}.key`), "utf8"), cert: readFileSync(path(name), "utf8") };
    };
    return {
      server: sign("server", "/CN=localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
      client: sign("client", "/CN=ann/O=test", "subjectAltName=URI:spiffe://test/ann"),
      ca: readFileSync(path("ca"), "utf8"),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
