/** Bytes as tokens: every text comes back, whole or as a stream. */
import { byteTokenizer, generateText, MambaLM, type Tokenizer } from '@mambagrad/mamba';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** The tokenizers of these tests give the text, whatever the model says. */
const model = new MambaLM({ vocabSize: 2, hiddenSize: 4, stateSize: 2, numLayers: 1 });

/** Of any characters, each as likely: from the first to the last, without halves of pairs. */
const texts = () =>
  fc
    .array(fc.integer({ min: 0, max: 0x10ffff }).filter((code) => code < 0xd800 || code > 0xdfff))
    .map((codes) => String.fromCodePoint(...codes));

describe('byteTokenizer', () => {
  it('gives every text back', () => {
    fc.assert(
      fc.property(texts(), (text) => {
        const tokens = byteTokenizer.encode(text);
        expect(tokens).toEqual([...Buffer.from(text, 'utf8')]);
        expect(byteTokenizer.decode(tokens)).toBe(text);
      }),
    );
    expect(byteTokenizer.decode(byteTokenizer.encode('\ufeffx'))).toBe('\ufeffx');
    const decode = (tokens: unknown[]) => () => byteTokenizer.decode(tokens as number[]);
    expect(decode([65, 256])).toThrow('byteTokenizer.decode: tokens[1] is 256, expected');
    expect(decode([104, undefined])).toThrow('byteTokenizer.decode: tokens[1] is missing');
    expect(decode([1.5])).toThrow('byteTokenizer.decode: tokens[0] is 1.5, expected');
    expect(() => byteTokenizer.encode(5 as never)).toThrow('byteTokenizer.encode: text is 5');
  });

  /** Whatever bytes may follow: those that end, go on with or forbid any character. */
  const ends = [
    [], [0x41], [0x80], [0x9f], [0xa0], [0xbf], [0x80, 0x80], [0xa0, 0x80], [0x90, 0x80, 0x80],
    [0x80, 0x80, 0x80],
  ];

  it('streams what no further byte can change, and all of that', () => {
    const common = fc.constantFrom(0x80, 0xe2, 0xf0, 0x9f);
    const byte = fc.oneof(fc.integer({ min: 0, max: 255 }), common);
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 50 }), (tokens) => {
        const stream = byteTokenizer.stream?.();
        if (!stream) throw new Error('there is no stream');
        let given = '';
        tokens.forEach((token, i) => {
          given += stream.write(token);
          const soFar = tokens.slice(0, i + 1);
          const texts = ends.map((end) => byteTokenizer.decode([...soFar, ...end]));
          let common = 0;
          while (common < texts[0].length && texts.every((x) => x[common] === texts[0][common])) {
            common++;
          }
          // Half of a pair of surrogates is no text.
          const isHalf = /[\ud800-\udbff]/.test(texts[0][common - 1] ?? '');
          expect(given).toBe(texts[0].slice(0, isHalf ? common - 1 : common));
        });
        expect(given + stream.end()).toBe(byteTokenizer.decode(tokens));
      }),
    );
  });

  it('holds back at most three characters where only whole texts can be decoded', async () => {
    const { decode } = byteTokenizer;
    const bytes = new Array<number>(40).fill(0x80);
    const spelled: Tokenizer = {
      encode: () => [1], decode: ({ length }) => decode(bytes.slice(0, length)),
    };
    const pieces: string[] = [];
    for await (const piece of generateText(model, spelled, 'a', { maxTokens: 40 })) {
      pieces.push(piece);
    }
    expect(pieces.join('')).toBe('\ufffd'.repeat(40));
    expect(pieces).toHaveLength(38);
  });
});
