// What the clients have in common: the numbers and texts of the fourteen cases, and how they are run and told.

export const requestSizes: readonly number[] = [27182, 8, 1828, 45904];
export const replySizes: readonly number[] = [31415, 9, 2653, 58979];
export const largeRequestSize = 271828;
export const largeReplySize = 314159;

/** Request headers that a server sends back, one as header and one as trailer. */
export const echoInitial = "x-grpc-test-echo-initial";
export const echoTrailing = "x-grpc-test-echo-trailing-bin";
export const initialValue = "test_initial_metadata_value";
export const trailingValue: Buffer = Buffer.from("0a0b0a0b0a0b", "hex");

export const unknownCode = 2;
export const statusMessage = "test status message";
export const specialMessage = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \u{1f608}\t\n";

const limitMs = 60_000;

/** Every case by its name: resolves when the peer did well. */
export type Cases = Readonly<
  Record<
    | "empty_unary"
    | "large_unary"
    | "client_streaming"
    | "server_streaming"
    | "ping_pong"
    | "empty_stream"
    | "timeout_on_sleeping_server"
    | "cancel_after_begin"
    | "cancel_after_first_response"
    | "status_code_and_message"
    | "special_status_message"
    | "custom_metadata"
    | "unimplemented_method"
    | "unimplemented_service",
    () => Promise<void>
  >
>;

/** Runs the cases one after the other on what connections their client has, and prints a line of each: its name, and why it failed. */
export async function runCases(cases: Cases): Promise<void> {
  for (const [name, run] of Object.entries(cases)) {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(reject, limitMs, new Error(`no end within ${limitMs} ms`));
    });
    try {
      await Promise.race([run(), limit]);
      console.log(name);
    } catch (error) {
      console.log(`${name} ${String(error instanceof Error ? error.message : error).replace(/\s+/g, " ")}`);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Everything that a stream gives, in order. */
export async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const value of values) collected.push(value);
  return collected;
}
