import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** An authority, and a key and certificate of its making for each name, made with the openssl command. */
export function createCertificates<N extends string>(...names: N[]): { ca: string } & Record<N, Certificate> {
  const folder = mkdtempSync(join(tmpdir(), "clew-grpc-"));
  const openssl = (...args: string[]): void => {
    execFileSync("openssl", args, { cwd: folder, stdio: "ignore" });
  };
  const read = (file: string): string => readFileSync(join(folder, file), "utf8");
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  try {
    openssl(
      "req",
      "-x509",
      ...newKey,
      "-days",
      "2",
      "-subj",
      "/CN=test authority",
      "-keyout",
      "ca.key",
      "-out",
      "ca.pem",
    );
    writeFileSync(join(folder, "names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
    const made: Record<string, Certificate> = {};
    for (const name of names) {
      openssl("req", "-new", ...newKey, "-subj", `/CN=${name}`, "-keyout", "key", "-out", "request");
      const signer = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"];
      openssl("x509", "-req", "-in", "request", ...signer, "-out", "cert");
      made[name] = { key: read("key"), cert: read("cert") };
    }
    return { ca: read("ca.pem"), ...(made as Record<N, Certificate>) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
