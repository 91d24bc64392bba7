/** A stream whose items come when a test says so. */
export interface PushQueue<T> {
  readonly items: AsyncIterable<T>;
  push(item: T): void;
  end(): void;
}

export function createPushQueue<T>(): PushQueue<T> {
  const waiting: (T | undefined)[] = [];
  let wake: () => void = () => {};
  const add = (item: T | undefined): void => {
    waiting.push(item);
    wake();
  };
  async function* items(): AsyncIterable<T> {
    for (;;) {
      while (waiting.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const item = waiting.shift();
      if (item === undefined) return;
      yield item;
    }
  }
  return { items: items(), push: add, end: () => add(undefined) };
}
