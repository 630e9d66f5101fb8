/** Writing: prefill, fork and rollback, batches, stops, and streams of text. */
import {
  byteTokenizer, generate, type GenerateOptions, generateText, MambaLM, type Tokenizer,
} from '@mambagrad/mamba';
import { Generator, noGrad, tensor, type Tensor, zeros } from '@mambagrad/tensor';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { expectClose, expectSame } from '../../support/compare.ts';
import { drawIndices, drawInteger } from '../../support/draw.ts';
import { runs } from '../../support/soak.ts';

const VOCAB = 11;

const kinds = ['mamba', 'mamba2', 'mamba3'] as const;

/** A model that heeds what it reads; its logits lie apart, so that rounding decides nothing. */
function makeModel(vocabSize = VOCAB, layer: (typeof kinds)[number] = 'mamba'): MambaLM {
  const generator = new Generator(layer === 'mamba3' ? 7 : 5);
  const heads = layer !== 'mamba' && { headDim: 4, chunkSize: 8 };
  const sizes = { hiddenSize: 8, stateSize: 4, ...heads };
  const model = new MambaLM({ vocabSize, ...sizes, layer, tieEmbeddings: false, generator });
  for (const [name, parameter] of model.namedParameters()) {
    if (/Proj.weight|lmHead/.test(name)) parameter.assign(parameter.detach().mul(5));
  }
  return model;
}
const model = makeModel();
const models = kinds.map((kind) => [kind, makeModel(VOCAB, kind)] as const);

async function collect(
  prompts: readonly (readonly number[])[],
  options: GenerateOptions,
  writer = model,
): Promise<(number | undefined)[][]> {
  const steps: (number | undefined)[][] = [];
  for await (const tokens of generate(writer, prompts, options)) steps.push(tokens);
  return prompts.map((_, row) => steps.map((tokens) => tokens[row]));
}

/** What comes next by the whole sequence each time. */
function writeSlowly(prompt: readonly number[], count: number, writer = model): number[] {
  const tokens = [...prompt];
  for (let i = 0; i < count; i++) {
    const logits = noGrad(() => writer.forward(tensor([tokens], { dtype: 'i32' })));
    tokens.push(logits.argmax(-1).data[tokens.length - 1]);
  }
  return tokens.slice(prompt.length);
}

const prompts = () =>
  fc.array(fc.array(fc.nat(VOCAB - 1), { minLength: 1, maxLength: 70 }), {
    minLength: 1,
    maxLength: 3,
  });

describe('the end of a text', () => {
  /** A few tokens that end rows, so that they do so at different times. */
  const options = { temperature: 0, maxTokens: 8, stopTokens: [2, 7] };

  it.each(models)('is what reading prompt and text gives, for each row: %s', async (_, writer) => {
    await fc.assert(
      fc.asyncProperty(prompts(), fc.nat(9), async (some, left) => {
        const writing = generate(writer, some, options);
        const written = some.map((): number[] => []);
        let count = 0;
        for await (const tokens of writing) {
          tokens.forEach((token, row) => token !== undefined && written[row].push(token));
          if (++count > left) break;
        }
        const { y, state } = writing.end;
        written.forEach((tokens, row) => {
          const all = tensor([[...some[row], ...tokens]], { dtype: 'i32' });
          const expected = writer.prefill(all);
          expectClose(y.narrow(0, row, 1), expected.y, 1e-4);
          expected.state.forEach((layer, i) => {
            for (const [name, x] of Object.entries(layer)) {
              expectClose(state[i][name].narrow(0, row, 1), x, 1e-4, 1e-4);
            }
          });
        });
        expectSame(writing.end.y, y);
      }),
      { numRuns: runs(12) },
    );
  });

  it('is where the next text goes on, whatever is read in between', async () => {
    await fc.assert(
      fc.asyncProperty(prompts(), prompts(), fc.integer({ min: 1, max: 6 }), async (
        some, more, count,
      ) => {
        const rows = some.slice(0, more.length);
        const first = generate(model, rows, { temperature: 0, maxTokens: count });
        const texts = rows.map((row) => [...row]);
        for await (const tokens of first) {
          tokens.forEach((token, i) => token !== undefined && texts[i].push(token));
        }
        // Some prompts may be empty: those rows go on where they stopped.
        const next = more.slice(0, rows.length).map((row, i) => (i % 2 ? row : []));
        const goOn = { temperature: 0, maxTokens: 4 };
        const found = await collect(next, { ...goOn, state: first.end });
        const expected = await collect(texts.map((text, i) => [...text, ...next[i]]), goOn);
        expect(found).toEqual(expected);
        if (next.every(({ length }) => length > 0)) {
          expect(await collect(next, { ...goOn, state: first.end.state })).toEqual(expected);
        }
      }),
      { numRuns: runs(10) },
    );
  });

  it('is known for a text as well, and once the prompt is read', async () => {
    const bytes = makeModel(256);
    const writing = generateText(bytes, byteTokenizer, 'ab', { temperature: 0, maxTokens: 5 });
    expect(() => writing.end).toThrow(
      'generateText: the prompt is not read yet; `end` is known after a token',
    );
    let text = 'ab';
    for await (const piece of writing) text += piece;
    expect(writing.end.y.shape).toEqual([1, 256]);
    const tokens = generate(bytes, [[97]], { maxTokens: 0 });
    expect(() => tokens.end).toThrow(
      'generate: the prompts are not read yet; `end` is known after a token',
    );
    await tokens.next();
    expectSame(tokens.end.y, bytes.prefill(tensor([[97]], { dtype: 'i32' })).y);
  });

  it('is refused for other rows, and prompts are empty only after it', async () => {
    const writing = generate(model, [[1, 2]], { maxTokens: 1 });
    await writing.next();
    await expect(collect([[1], [2]], { state: writing.end })).rejects.toThrow(
      `generate: state: y is f32[1, ${VOCAB}], expected [2, ${VOCAB}], the logits of 2 rows`,
    );
    await expect(collect([[]], { state: writing.end.state })).rejects.toThrow(
      'generate: prompt 0 is empty',
    );
    await expect(collect([[1]], { state: { y: 3, state: [] } as never })).rejects.toThrow(
      'generate: state: y is 3',
    );
    expect((await collect([[]], { state: writing.end, maxTokens: 2 }))[0]).toHaveLength(2);
  });
});

function drawNothing(): Tensor {
  return tensor(new Int32Array(0), { shape: [1, 0] });
}

describe('prefill', () => {
  it.each(kinds)('split anywhere is the whole, and ends as the forward pass does: %s', (kind) => {
    const exact = makeModel(VOCAB, kind).to('f64');
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const [batch, length] = [drawInteger(g, 1, 2), drawInteger(g, 2, 80)];
        const tokens = drawIndices(g, [batch, length], VOCAB);
        const whole = exact.prefill(tokens);
        const { y } = exact.scan(tokens, {}, true);
        expectClose(whole.y, y, 1e-12);
        const cut = drawInteger(g, 1, length - 1);
        const first = exact.prefill(tokens.narrow(1, 0, cut));
        const second = exact.prefill(tokens.narrow(1, cut, length - cut), { state: first.state });
        expectClose(second.y, whole.y, 1e-12);
        second.state.forEach((state, i) => {
          for (const [name, x] of Object.entries(state)) {
            expectClose(x, whole.state[i][name], 1e-12);
          }
        });
        const { state } = exact.prefill(tokens.narrow(1, 0, length - 1));
        const last = exact.step(tokens.narrow(1, length - 1, 1).squeeze(1), state);
        expectClose(last.y, whole.y, 1e-12);
      }),
      { numRuns: runs(10) },
    );
    expect(() => exact.prefill(drawNothing())).toThrow('prefill: there are no tokens');
  });

  it.each(kinds)('traces thrice whatever it reads, and a step once for all: %s', (layer) => {
    const options = { vocabSize: VOCAB, hiddenSize: 8, stateSize: 5, dropout: 0.5 };
    const heads = layer !== 'mamba' && { headDim: 4 };
    const writer = new MambaLM({ ...options, ...heads, layer });
    const traces = vi.spyOn(writer, 'scan');
    const read = (length: number) => writer.prefill(zeros([1, length], { dtype: 'i32' }));
    let { y, state } = read(70);
    for (let i = 0; i < 5; i++) ({ y, state } = writer.step(y.argmax(-1), state));
    for (const length of [1, 31, 32, 64]) ({ y, state } = read(length));
    writer.eval().step(y.argmax(-1), state);
    expect(traces).toHaveBeenCalledTimes(3);
  });

  it('leaves states as they were: to fork or roll back is to go on from one again', () => {
    const read = (tokens: number[]): Tensor => tensor([tokens], { dtype: 'i32' });
    const { state } = model.prefill(read([1, 2, 3]));
    const kept = state.map(({ conv, ssm }) => [conv.toArray(), ssm.toArray()]);
    const once = model.prefill(read([4, 5]), { state });
    model.step(tensor([7], { dtype: 'i32' }), once.state);
    const again = model.prefill(read([4, 5]), { state });
    expectSame(again.y, once.y);
    expect(state.map(({ conv, ssm }) => [conv.toArray(), ssm.toArray()])).toEqual(kept);
  });
});

describe('generate', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it.each(models)('writes what forward passes over the whole would: %s', async (_kind, writer) => {
    await fc.assert(
      fc.asyncProperty(prompts(), fc.integer({ min: 0, max: 6 }), async (rows, maxTokens) => {
        const written = await collect(rows, { temperature: 0, maxTokens }, writer);
        expect(written).toEqual(rows.map((row) => writeSlowly(row, maxTokens, writer)));
      }),
      { numRuns: runs(10), examples: [[[[1, 2], new Array<number>(70).fill(3)], 4]] },
    );
    const [written] = await collect([[1, 2]], { temperature: 0, maxTokens: 30 }, writer);
    expect(new Set(written).size).toBeGreaterThan(3);
  });

  it('goes on from a state', async () => {
    const { state } = model.prefill(tensor([[1, 2, 3]], { dtype: 'i32' }));
    const [written] = await collect([[4, 5]], { state, temperature: 0, maxTokens: 6 });
    expect(written).toEqual(writeSlowly([1, 2, 3, 4, 5], 6));
  });

  it('writes the same from the same seed', async () => {
    const write = (seed: number) =>
      collect([[1], [2, 3]], { temperature: 2, maxTokens: 12, generator: new Generator(seed) });
    expect(await write(1)).toEqual(await write(1));
    expect(await write(1)).not.toEqual(await write(2));
  });

  it('ends each row at a stop token, and with the last row', async () => {
    const rows = [[1], [2, 3], [4]];
    const write = (stopTokens: number[]) =>
      collect(rows, { temperature: 2, maxTokens: 30, stopTokens, generator: new Generator(3) });
    const free = await write([]);
    const stopTokens = [7, 9];
    const stopped = await write(stopTokens);
    const ends = free.map((row) => {
      const end = row.findIndex((token) => stopTokens.includes(token ?? -1));
      return end < 0 ? row.length : end;
    });
    const longest = Math.max(...ends);
    expect(longest).toBeLessThan(30);
    expect(Math.min(...ends)).toBeLessThan(longest - 3);
    stopped.forEach((row, i) => {
      expect(row).toHaveLength(longest);
      const whole = free[i].slice(0, longest);
      expect(row).toEqual(whole.map((token, t) => (t < ends[i] ? token : undefined)));
    });
  });

  it('lets others have their turn', async () => {
    let now = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 30));
    let turns = 0;
    setTimeout(() => (turns += 1), 0);
    await collect([[1]], { maxTokens: 3 });
    clock.mockRestore();
    expect(turns).toBe(1);
  });

  it('refuses an empty prompt, and none', async () => {
    await expect(collect([[1], []], {})).rejects.toThrow('generate: prompt 1 is empty');
    await expect(collect([], {})).rejects.toThrow('generate: there are no prompts');
  });

  it('refuses tokens and options without a meaning', async () => {
    const run = (options: object) => collect([[1]], options);
    await expect(run({ maxTokens: -1 })).rejects.toThrow('generate: maxTokens is -1, expected');
    await expect(run({ maxTokens: 1.5 })).rejects.toThrow('generate: maxTokens is 1.5, expected');
    await expect(run({ topP: 2 })).rejects.toThrow('generate: topP is 2, expected');
    await expect(run({ stopToken: 2 })).rejects.toThrow("did you mean 'stopTokens'");
    await expect(run({ state: [] })).rejects.toThrow('MambaLM.prefill: state is []');
    await expect(collect([[1, 2], [1, VOCAB]], {})).rejects.toThrow(
      `generate: prompts[1][1] is ${VOCAB}, expected a whole number from 0 to ${VOCAB - 1}`,
    );
    await expect(collect([[0.5]], {})).rejects.toThrow('generate: prompts[0][0] is 0.5');
  });

  it('goes on from as many prompts as there are', async () => {
    const small = new MambaLM({ vocabSize: 2, hiddenSize: 1, numLayers: 0 });
    const prompts = Array.from({ length: 150_000 }, () => [1]);
    for await (const tokens of generate(small, prompts, { maxTokens: 1, temperature: 0 })) {
      expect(tokens).toHaveLength(prompts.length);
    }
  });
});

describe('generateText', () => {
  it('gives the text of the tokens, in pieces of whole characters', async () => {
    const writer = makeModel(256);
    for (const seed of [1, 2, 3]) {
      const options = () => ({ temperature: 3, maxTokens: 40, generator: new Generator(seed) });
      const pieces: string[] = [];
      for await (const piece of generateText(writer, byteTokenizer, 'né', options())) {
        pieces.push(piece);
      }
      const tokens: number[] = [];
      for await (const [token = -1] of generate(writer, [[110, 195, 169]], options())) {
        tokens.push(token);
      }
      expect(pieces.join('')).toBe(byteTokenizer.decode(tokens));
      expect(pieces.every((piece) => piece !== '')).toBe(true);
    }
  });

  it('waits for the rest of a character', async () => {
    // The bytes of this text come, whatever the model says.
    const bytes = byteTokenizer.encode('aé€😀');
    const spelled: Tokenizer = {
      encode: () => [1],
      decode: ({ length }) => byteTokenizer.decode(bytes.slice(0, length)),
    };
    const pieces: string[] = [];
    const options = { maxTokens: bytes.length };
    for await (const piece of generateText(model, spelled, '', options)) pieces.push(piece);
    expect(pieces).toEqual(['a', 'é', '€', '😀']);
    const cut: string[] = [];
    for await (const piece of generateText(model, spelled, '', { maxTokens: 2 })) cut.push(piece);
    expect(cut).toEqual(['a', '\ufffd']);
  });
});
