/**
 * Tokenizers, which convert text to tokens and back. The simplest one uses the bytes of UTF-8: 256
 * tokens represent every text, and there is nothing to train or to store.
 */
import { anything, checkArgument, listOf, string, whole } from '@mambagrad/tensor/options';

/** The interface of a tokenizer; a user's own can be used as well. */
export interface Tokenizer {
  /** Converts a text to tokens, whole numbers from 0; '' to no tokens. */
  encode(text: string): number[];
  /** Converts tokens to text. U+FFFD replaces what is not text, such as half of a character. */
  decode(tokens: readonly number[]): string;
  /** Decodes token by token. Without it, all tokens are decoded again each time. */
  stream?(): TextStream;
}

/** A decoder of text that arrives token by token. */
export interface TextStream {
  /** Adds a token, and returns the further text that no later token can change. */
  write(token: number): string;
  /** Returns the rest of the text after the last token. */
  end(): string;
}

// Part of browsers and Node, but not of the language.
declare class TextEncoder {
  encode(text: string): Uint8Array;
}
declare class TextDecoder {
  constructor(encoding: 'utf-8', options: { readonly ignoreBOM: boolean });
  decode(bytes?: Uint8Array, options?: { readonly stream: boolean }): string;
}

const bytes = whole(0, 255);

/** A tokenizer whose tokens are the bytes of UTF-8: a vocabulary of 256. */
export const byteTokenizer: Tokenizer = {
  encode: (text) => {
    checkArgument('byteTokenizer.encode', 'text', text, string);
    return Array.from(new TextEncoder().encode(text));
  },
  decode: (tokens) => {
    checkArgument('byteTokenizer.decode', 'tokens', tokens, listOf(anything()));
    const i = tokens.findIndex((token) => !bytes.accepts(token));
    if (i >= 0) checkArgument('byteTokenizer.decode', `tokens[${i}]`, tokens[i], bytes);
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(tokens));
  },
  stream: () => {
    // It returns U+FFFD as soon as bytes cannot begin a character, and waits only if they can.
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

/** At most this many U+FFFD are held back: three bytes may begin a character of four. */
const MAX_HELD = 3;

/** The stream of a tokenizer; if it has none, one that decodes all tokens again each time. */
export function streamOf(tokenizer: Tokenizer): TextStream {
  if (tokenizer.stream) return tokenizer.stream();
  const tokens: number[] = [];
  let returned = 0;
  const newTextUpTo = (text: string, end: number): string => {
    const piece = text.slice(returned, end);
    returned = Math.max(returned, end);
    return piece;
  };
  return {
    write: (token) => {
      tokens.push(token);
      const text = tokenizer.decode(tokens);
      let end = text.length;
      while (end > text.length - MAX_HELD && text[end - 1] === '\ufffd') end--;
      return newTextUpTo(text, end);
    },
    end: () => {
      const text = tokenizer.decode(tokens);
      return newTextUpTo(text, text.length);
    },
  };
}
