// A number of 64 bits, seen as any of its forms: put in as one, taken out as another. For as long as nothing else is called.

/** The number as two words; which one is the lower depends on the machine. */
export const words: Uint32Array = new Uint32Array(2);
export const signed: BigInt64Array = new BigInt64Array(words.buffer);
export const unsigned: BigUint64Array = new BigUint64Array(words.buffer);
export const doubles: Float64Array = new Float64Array(words.buffer);
/** A float is the first word. */
export const floats: Float32Array = new Float32Array(words.buffer);

signed[0] = 1n;
export const lowWord: 0 | 1 = words[0] === 1 ? 0 : 1;
export const highWord: 0 | 1 = lowWord === 0 ? 1 : 0;
