/**
 * Text as tokens. The simplest tokenizer there is takes the bytes of UTF-8: 256 tokens spell every
 * text, and there is nothing to train and nothing to store.
 */
import { anything, checkArgument, listOf, string, whole } from '@mambagrad/tensor/options';

/** All that a language model needs of a tokenizer, this one or any other. */
export interface Tokenizer {
  /** The tokens of a text, whole numbers from 0; none for ''. */
  encode(text: string): number[];
  /** U+FFFD stands for what is no text, as half of a character. */
  decode(tokens: readonly number[]): string;
  /** Decodes token by token. Without it, whole texts are decoded again and compared. */
  stream?(): TextStream;
}

/** Text that comes token by token. */
export interface TextStream {
  /** Takes in a token, and gives the further text that no later token can change. */
  write(token: number): string;
  /** The text that is left when no token follows. */
  end(): string;
}

// Known to browsers and Node alike, though not part of the language.
declare class TextEncoder {
  encode(text: string): Uint8Array;
}
declare class TextDecoder {
  constructor(encoding: 'utf-8', options: { readonly ignoreBOM: boolean });
  decode(bytes?: Uint8Array, options?: { readonly stream: boolean }): string;
}

const bytes = whole(0, 255);

/** The bytes of UTF-8; the vocabulary has the size 256. */
export const byteTokenizer: Tokenizer = {
  encode: (text) => {
    checkArgument('byteTokenizer.encode', 'text', text, string);
    return Array.from(new TextEncoder().encode(text));
  },
  decode: (tokens) => {
    checkArgument('byteTokenizer.decode', 'tokens', tokens, listOf(anything()));
    const at = tokens.findIndex((token) => !bytes.accepts(token));
    if (at >= 0) checkArgument('byteTokenizer.decode', `tokens[${at}]`, tokens[at], bytes);
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(tokens));
  },
  stream: () => {
    // It gives U+FFFD as soon as bytes can begin no character, and waits only for the others.
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    return {
      write: (token) => {
        checkArgument('byteTokenizer.stream', 'token', token, bytes);
        return decoder.decode(Uint8Array.of(token), { stream: true });
      },
      end: () => decoder.decode(),
    };
  },
};

/** The most that is held back: three bytes may be the beginning of a character of four. */
const HELD = 3;

/** The stream of a tokenizer; of one that has none, by decoding all tokens so far each time. */
export function streamOf(tokenizer: Tokenizer): TextStream {
  if (tokenizer.stream) return tokenizer.stream();
  const tokens: number[] = [];
  let given = 0;
  const upTo = (text: string, end: number): string => {
    const piece = text.slice(given, end);
    given = Math.max(given, end);
    return piece;
  };
  return {
    write: (token) => {
      tokens.push(token);
      const text = tokenizer.decode(tokens);
      let end = text.length;
      while (end > text.length - HELD && text[end - 1] === '\ufffd') end--;
      return upTo(text, end);
    },
    end: () => {
      const text = tokenizer.decode(tokens);
      return upTo(text, text.length);
    },
  };
}
