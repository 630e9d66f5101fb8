/** Characters as tokens, and several texts at once. */
import {
  byteTokenizer, characterTokenizer, generateText, generateTexts, MambaLM,
} from '@mambagrad/mamba';
import { Generator } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

describe('characterTokenizer', () => {
  const texts = fc.string({ unit: 'binary', minLength: 1 });

  it('gives back every text that has no other characters', () => {
    fc.assert(
      fc.property(texts, texts, fc.gen(), (text, more, g) => {
        const tokenizer = characterTokenizer(text + more);
        const part = g(() => fc.array(fc.constantFrom(...tokenizer.characters))).join('');
        expect(tokenizer.decode(tokenizer.encode(part))).toBe(part);
        expect(tokenizer.encode(tokenizer.characters.join(''))).toEqual(
          Array.from({ length: tokenizer.vocabSize }, (_, token) => token),
        );
        // The order of the text does not matter, nor how it is cut; saved characters do.
        for (const same of [more + text, [more, text], tokenizer.characters]) {
          expect(characterTokenizer(same).characters).toEqual(tokenizer.characters);
        }
      }),
    );
  });

  it('has whole characters, also those of two code units', () => {
    const tokenizer = characterTokenizer('a😀a');
    expect(tokenizer.characters).toEqual(['a', '😀']);
    expect(tokenizer.encode('😀a')).toEqual([1, 0]);
  });

  it('refuses what it does not know', () => {
    const tokenizer = characterTokenizer('ab');
    expect(() => tokenizer.encode('abc')).toThrow(
      "characterTokenizer.encode: 'c' is unknown, expected one of the 2 characters",
    );
    for (const token of [2, -1, 0.5, NaN]) {
      expect(() => tokenizer.decode([0, token])).toThrow(
        `characterTokenizer.decode: tokens[1] is ${token}, expected a whole number from 0 to 1`,
      );
    }
    expect(() => characterTokenizer('')).toThrow('characterTokenizer: the text is empty');
    expect(() => characterTokenizer([])).toThrow('characterTokenizer: the text is empty');
    expect(() => characterTokenizer(7 as unknown as string)).toThrow(
      'characterTokenizer: text is 7',
    );
    expect(() => tokenizer.encode(7 as unknown as string)).toThrow('encode: text is 7');
  });
});

describe('generateTexts', () => {
  const generator = new Generator(5);
  const model = new MambaLM({
    vocabSize: 256, hiddenSize: 8, stateSize: 4, numLayers: 1, tieEmbeddings: false, generator,
  });
  for (const [name, parameter] of model.namedParameters()) {
    if (/Proj.weight|lmHead/.test(name)) parameter.assign(parameter.detach().mul(5));
  }

  it('writes for each prompt what generateText writes for it alone', async () => {
    const prompts = ['row, row', 'a', 'gently down'];
    const options = { temperature: 0, maxTokens: 12 };
    const alone = await Promise.all(prompts.map(async (prompt) => {
      const pieces: string[] = [];
      for await (const piece of generateText(model, byteTokenizer, prompt, options)) {
        pieces.push(piece);
      }
      return pieces.join('');
    }));
    expect(await generateTexts(model, byteTokenizer, prompts, options)).toEqual(alone);
    expect(new Set(alone).size).toBe(3);
  });

  it('leaves out stop tokens and what is after them', async () => {
    const options = { temperature: 0, maxTokens: 12 };
    const [whole] = await generateTexts(model, byteTokenizer, ['row'], options);
    const stop = [...whole].find((character, i) => i > 0 && character < '\x80') ?? '';
    const stopTokens = byteTokenizer.encode(stop);
    const [stopped] =
      await generateTexts(model, byteTokenizer, ['row'], { ...options, stopTokens });
    expect(stopTokens).toHaveLength(1);
    expect(stopped).toBe(whole.slice(0, whole.indexOf(stop)));
  });

  it('refuses prompts that are none', async () => {
    await expect(generateTexts(model, byteTokenizer, [''])).rejects.toThrow('prompt 0 is empty');
    await expect(generateTexts(model, byteTokenizer, 'a' as unknown as string[])).rejects.toThrow(
      "generateTexts: prompts is 'a'",
    );
    await expect(generateTexts(model, {} as typeof byteTokenizer, ['a'])).rejects.toThrow(
      'generateTexts: tokenizer is {}, expected { encode, decode }',
    );
  });
});
