/**
 * node:crypto: unique names, and SHA-256, which browsers have only as a promise. The message is cut
 * into blocks of 64 bytes, each of which changes eight words in 64 rounds (FIPS 180-4).
 */

export const randomUUID = (): string => {
  // Pages that were opened from a file have no crypto.randomUUID.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
};

/** The first 32 bits of the fractional parts of roots of the first primes. */
const primes: number[] = [];
for (let n = 2; primes.length < 64; n++) {
  if (primes.every((prime) => n % prime !== 0)) primes.push(n);
}
const fraction = (x: number): number => Math.floor((x - Math.floor(x)) * 2 ** 32);
const roundConstants = primes.map((prime) => fraction(Math.cbrt(prime)) | 0);
const initial = primes.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)) | 0);

const rotate = (x: number, by: number): number => (x >>> by) | (x << (32 - by));

/** The SHA-256 of bytes. */
export function sha256(message: Uint8Array): Uint8Array {
  const length = Math.ceil((message.length + 9) / 64) * 64;
  const padded = new Uint8Array(length);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(length - 8, Math.floor(message.length / 2 ** 29));
  view.setUint32(length - 4, message.length << 3);
  const state = Int32Array.from(initial);
  for (let at = 0; at < length; at += 64) addBlock(state, view, at);
  const hash = new DataView(new ArrayBuffer(32));
  state.forEach((word, i) => hash.setInt32(4 * i, word));
  return new Uint8Array(hash.buffer);
}

function addBlock(state: Int32Array, view: DataView, at: number): void {
  const w = new Int32Array(64);
  for (let i = 0; i < 64; i++) {
    if (i < 16) w[i] = view.getInt32(at + 4 * i);
    else {
      const s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >>> 3);
      const s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >>> 10);
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i++) {
    const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + roundConstants[i] + w[i]) | 0;
    const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => { state[i] += word; });
}

/** Node's interface: `createHash('sha256').update(text).digest('hex')`. */
export function createHash(algorithm: string) {
  if (algorithm !== 'sha256') {
    throw new Error(`createHash: ${algorithm} is not there, but sha256 is`);
  }
  const pieces: number[] = [];
  const hash = {
    update(data: string | Uint8Array) {
      pieces.push(...(typeof data === 'string' ? new TextEncoder().encode(data) : data));
      return hash;
    },
    digest(encoding?: 'hex'): string | Uint8Array {
      const bytes = sha256(Uint8Array.from(pieces));
      if (encoding !== 'hex') return bytes;
      return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    },
  };
  return hash;
}
