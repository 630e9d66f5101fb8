/**
 * Text as tokens. The simplest tokenizer there is takes the bytes of UTF-8: 256 tokens spell every
 * text, and there is nothing to train and nothing to store.
 */
import { TensorError } from '@mambagrad/tensor';

/** All that a language model needs of a tokenizer, this one or any other. */
export interface Tokenizer {
  encode(text: string): number[];
  /** U+FFFD stands for what is no text, as half of a character. */
  decode(tokens: readonly number[]): string;
}

// Known to browsers and Node alike, though not part of the language.
declare class TextEncoder {
  encode(text: string): Uint8Array;
}
declare class TextDecoder {
  constructor(encoding: 'utf-8', options: { readonly ignoreBOM: boolean });
  decode(bytes: Uint8Array): string;
}

/** The bytes of UTF-8; the vocabulary has the size 256. */
export const byteTokenizer: Tokenizer = {
  encode: (text) => Array.from(new TextEncoder().encode(text)),
  decode: (tokens) => {
    const wrong = tokens.find((token) => !(token >= 0 && token < 256));
    if (wrong !== undefined) throw new TensorError(`byteTokenizer: ${wrong} is not a byte`);
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(tokens));
  },
};
