// Of a test file that imports this: what is warned of during a test.
import { after, afterEach } from "node:test";
import { DiagLogLevel, diag } from "@opentelemetry/api";

export const warnings: string[] = [];
const keep = (message: string): void => void warnings.push(message);
diag.setLogger({ warn: keep, error: keep, info() {}, debug() {}, verbose() {} }, { logLevel: DiagLogLevel.WARN });
afterEach(() => void warnings.splice(0));
after(() => diag.disable());
