/** What an entry costs beyond its name and value (RFC 7541 section 4.1). */
export const entryOverheadBytes = 32;

/** The table size both ends begin with (RFC 9113 section 6.5.2). */
export const defaultTableBytes = 4096;

/**
 * The dynamic table of one direction (RFC 7541 section 2.3.2): a ring, the newest entry last.
 *
 *     position   oldest ............ newest        index 0 is the newest
 *                 #first  ─▶          #first + count - 1
 */
export class DynamicTable {
  // The ring begins small and doubles: an idle connection holds a few entries, and never more than maxBytes / 32.
  #names: string[] = [];
  #values: string[] = [];
  #flaws: boolean[] = [];
  #mask = -1;
  #first = 0;
  #count = 0;
  #bytes = 0;
  #maxBytes: number;
  #version = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** Changes whenever an entry comes or goes: while it stays, every index means what it meant. */
  get version(): number {
    return this.#version;
  }

  name(index: number): string {
    return this.#names[(this.#first + this.#count - 1 - index) & this.#mask]!;
  }

  value(index: number): string {
    return this.#values[(this.#first + this.#count - 1 - index) & this.#mask]!;
  }

  /** Whether the entry is not legal in HTTP/2, though it is in the table. */
  isFlawed(index: number): boolean {
    return this.#flaws[(this.#first + this.#count - 1 - index) & this.#mask]!;
  }

  /** Makes room and adds; an entry larger than the table leaves it empty (RFC 7541 section 4.4). Says whether it was added. */
  insert(name: string, value: string, isFlawed: boolean): boolean {
    const bytes = name.length + value.length + entryOverheadBytes;
    while (this.#count > 0 && this.#bytes + bytes > this.#maxBytes) this.dropOldest();
    this.#version++;
    if (bytes > this.#maxBytes) return false;
    if (this.#count > this.#mask) this.#grow();
    const slot = (this.#first + this.#count++) & this.#mask;
    this.#names[slot] = name;
    this.#values[slot] = value;
    this.#flaws[slot] = isFlawed;
    this.#bytes += bytes;
    return true;
  }

  dropOldest(): void {
    const slot = this.#first & this.#mask;
    this.#bytes -= this.#names[slot]!.length + this.#values[slot]!.length + entryOverheadBytes;
    this.#names[slot] = "";
    this.#values[slot] = "";
    this.#first = (this.#first + 1) & this.#mask;
    this.#count--;
    this.#version++;
  }

  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    while (this.#bytes > maxBytes) this.dropOldest();
  }

  #grow(): void {
    const length = Math.max(8, 2 * this.#names.length);
    const names = new Array<string>(length).fill("");
    const values = new Array<string>(length).fill("");
    const flaws = new Array<boolean>(length).fill(false);
    for (let i = 0; i < this.#count; i++) {
      const slot = (this.#first + i) & this.#mask;
      names[i] = this.#names[slot]!;
      values[i] = this.#values[slot]!;
      flaws[i] = this.#flaws[slot]!;
    }
    this.#names = names;
    this.#values = values;
    this.#flaws = flaws;
    this.#mask = length - 1;
    this.#first = 0;
  }
}
