/**
 * A tokenizer whose tokens are the characters of a text. A model of names or formulas needs some
 * thirty of them, not 256 bytes, so it is smaller and learns sooner. The text itself says which:
 *
 *     const tokenizer = characterTokenizer('anna\nbob\n');
 *     tokenizer.characters         // ['\n', 'a', 'b', 'n', 'o']
 *     tokenizer.encode('nab')      // [3, 1, 2]
 */
import { TensorError } from '@mambagrad/tensor';
import { anything, checkArgument, listOf, show, string } from '@mambagrad/tensor/options';
import type { Tokenizer } from './tokenizer.ts';

/** A tokenizer of characters; to save it, save `characters`. */
export interface CharacterTokenizer extends Tokenizer {
  /** The characters, each at the place of its token. */
  readonly characters: readonly string[];
  /** The number of characters: the size of a model's vocabulary. */
  readonly vocabSize: number;
}

const texts = string.or(listOf(string));
const tokenLists = listOf(anything());

/**
 * A tokenizer of the characters (Unicode code points) that occur in a text, in their order in
 * Unicode, so that equal sets of characters have equal tokens. `text` may also be a list of texts,
 * such as the saved `characters`. Its `encode` and `decode` throw if a character or a token is
 * unknown; put a character that ends a text, such as '\n', into the text too.
 */
export function characterTokenizer(text: string | readonly string[]): CharacterTokenizer {
  checkArgument('characterTokenizer', 'text', text, texts);
  const all = typeof text === 'string' ? [text] : text;
  const codes = new Set<number>();
  for (const part of all) for (const character of part) codes.add(character.codePointAt(0) ?? 0);
  const characters = [...codes].sort((a, b) => a - b).map((code) => String.fromCodePoint(code));
  if (characters.length === 0) throw new TensorError('characterTokenizer: the text is empty');
  const tokens = new Map(characters.map((character, token) => [character, token]));
  return {
    characters,
    vocabSize: characters.length,
    encode(part) {
      checkArgument('characterTokenizer.encode', 'text', part, string);
      return Array.from(part, (character) => {
        const token = tokens.get(character);
        if (token !== undefined) return token;
        throw new TensorError(
          `characterTokenizer.encode: ${show(character)} is unknown, expected one of the ` +
            `${characters.length} characters of the text that it was made of`,
        );
      });
    },
    decode(given) {
      checkArgument('characterTokenizer.decode', 'tokens', given, tokenLists);
      return given.map((token, i) => {
        const character = characters[token];
        if (character !== undefined) return character;
        throw new TensorError(
          `characterTokenizer.decode: tokens[${i}] is ${show(token)}, expected a whole number ` +
            `from 0 to ${characters.length - 1}`,
        );
      }).join('');
    },
  };
}
