/**
 * Code in the fragment of an address, which no server is sent: compressed if the browser can do
 * that, in letters that an address may have.
 *
 *     #code=z:…    deflated, in base64url          #code=t:…    as it is, in base64url
 */

/** Code is not read from a longer address, nor longer code from any. */
const MOST_CHARACTERS = 500_000;

/** The fragment that holds code. */
export async function toFragment(code: string): Promise<string> {
  const bytes = new TextEncoder().encode(code);
  if (typeof CompressionStream === 'undefined') return `#code=t:${toBase64(bytes)}`;
  return `#code=z:${toBase64(await piped(bytes, new CompressionStream('deflate-raw')))}`;
}

/** The code of a fragment; undefined if it holds none. Throws if it is damaged. */
export async function fromFragment(fragment: string): Promise<string | undefined> {
  const [, kind, text] = /^#code=([zt]):([\w-]*)$/.exec(fragment) ?? [];
  if (text === undefined) {
    if (fragment.startsWith('#code=')) throw new Error('the link is not complete');
    return undefined;
  }
  if (text.length > MOST_CHARACTERS) throw new Error('the link is too long');
  const bytes = fromBase64(text);
  if (kind === 't') return new TextDecoder().decode(bytes);
  if (typeof DecompressionStream === 'undefined') {
    throw new Error('this browser cannot read compressed links');
  }
  return new TextDecoder().decode(await piped(bytes, new DecompressionStream('deflate-raw')));
}

/** What comes out of a stream; no more than code may have, however small what went in. */
async function piped(
  bytes: Uint8Array<ArrayBuffer>, stream: CompressionStream | DecompressionStream,
): Promise<Uint8Array> {
  const reader = new Blob([bytes]).stream().pipeThrough(stream).getReader();
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    const piece = next.value;
    pieces.push(piece);
    length += piece.length;
    if (length <= MOST_CHARACTERS) continue;
    await reader.cancel();
    throw new Error('the code is too long');
  }
  const all = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

function toBase64(bytes: Uint8Array): string {
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
