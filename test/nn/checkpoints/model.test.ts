/** Models with their options in one file: as bytes and on disk, and what does not fit. */
import {
  Buffer, encodeModel, encodeSafetensors, GRU, Linear, Module, parseModel, parseSafetensors,
  Sequential,
} from '@mambagrad/nn';
import { loadModel, saveModel, saveSafetensors } from '@mambagrad/nn/node';
import { MambaLM, type MambaLMOptions } from '@mambagrad/mamba';
import { defaultGenerator, manualSeed, ones, type Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { expectSame } from '../../support/compare.ts';
import { eachInFolder } from '../../support/folder.ts';

interface Sizes {
  readonly input: number;
  readonly widths: readonly number[];
  readonly name?: string | undefined;
}

class Tower extends Module {
  readonly layers: Sequential;
  readonly seen = new Buffer(ones([]));
  readonly name: string;

  constructor({ input, widths, name = 'tower' }: Sizes) {
    super();
    const sizes = [input, ...widths];
    this.layers = new Sequential(...widths.map((width, i) => new Linear(sizes[i], width)));
    this.name = name;
  }

  forward(x: Tensor): Tensor {
    return this.layers.forward(x).mul(this.seen);
  }
}

let path = '';
eachInFolder((folder) => {
  path = join(folder, 'model.safetensors');
});

const build = (sizes: Sizes) => new Tower(sizes);

describe('a model in a file', () => {
  it('comes back with its options and its weights, bit for bit', () => {
    const sizes = fc.record({
      input: fc.integer({ min: 1, max: 4 }),
      widths: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }),
      name: fc.option(fc.string(), { nil: undefined }),
    });
    fc.assert(fc.property(sizes, fc.nat(), (given, seed) => {
      manualSeed(seed);
      const model = new Tower(given);
      model.seen.assign(ones([]).mul(seed));
      saveModel(path, model, given);
      expect(new Uint8Array(readFileSync(path))).toEqual(encodeModel(model, given));
      for (const found of [loadModel(path, build), parseModel(encodeModel(model, given), build)]) {
        expect(found.name).toBe(model.name);
        const [state, expected] = [found, model].map((each) => [...each.stateDict()]);
        expect(state.map(([name]) => name)).toEqual(expected.map(([name]) => name));
        state.forEach(([, x], i) => expectSame(x, expected[i][1]));
      }
    }), { numRuns: 20 });
  });

  it('has the type that is created, and may be of any class', () => {
    saveModel(path, new GRU(2, 3));
    const gru = loadModel(path, () => new GRU(2, 3));
    expectTypeOf(gru).toEqualTypeOf<GRU>();
    const options: MambaLMOptions = { vocabSize: 5, hiddenSize: 4, stateSize: 2, numLayers: 1 };
    const model = new MambaLM(options);
    const found = parseModel(
      encodeModel(model, model.options), (given: MambaLMOptions) => new MambaLM(given),
    );
    expect(found.options).toEqual(options);
    expectSame(found.embedding.weight, model.embedding.weight);
  });

  it('is a safetensors file that other programs read', () => {
    const model = new Tower({ input: 1, widths: [2] });
    const file = parseSafetensors(encodeModel(model, { input: 1, widths: [2] }));
    expect(file.metadata.get('options')).toBe('{"input":1,"widths":[2]}');
    expect(file.metadata.get('model')).toBe('Tower');
    expect([...file.readAll().keys()]).toEqual(['layers.0.weight', 'layers.0.bias', 'seen']);
  });
});

describe('what does not fit', () => {
  it('is named, with what the file holds', () => {
    saveModel(path, new Tower({ input: 2, widths: [3] }), { input: 2, widths: [3] });
    const wider = ({ input }: Sizes) => new Tower({ input, widths: [4, 1] });
    expect(() => loadModel(path, wider)).toThrow([
      'loadModel:', '  layers.1.weight is missing', '  layers.1.bias is missing',
      '  layers.0.weight is f32[3, 2], expected f32[4, 2]',
      '  layers.0.bias is f32[3], expected f32[4]',
      'The file holds a model of the class Tower with the options {"input":2,"widths":[3]}; ' +
        `create gives one of the class Tower that differs from it (${path})`,
    ].join('\n'));
    expect(() => loadModel(path, () => new Linear(2, 3))).toThrow(
      'create gives one of the class Linear that differs from it',
    );
    expect(() => loadModel(path, () => 3 as never)).toThrow(
      'loadModel: create gives 3, expected a Module',
    );
    expect(() => loadModel(path, 3 as never)).toThrow(
      'loadModel: create is 3, expected a function',
    );
    expect(() => loadModel(path, Tower as never)).toThrow(
      'loadModel: create is the class Tower, expected a function that makes a model: ' +
        '(options) => new Tower(options)',
    );
  });

  it('is a file without options, or with damaged ones', () => {
    const state = new Tower({ input: 1, widths: [] }).stateDict();
    saveSafetensors(path, state);
    expect(() => loadModel(path, build)).toThrow(
      'loadModel: the file holds no options: it has not been written as a model; ' +
        'build the model yourself',
    );
    const damaged = encodeSafetensors(state, { metadata: new Map([['options', '{"input":']]) });
    expect(() => parseModel(damaged, build)).toThrow(
      'parseModel: the text of the options is not JSON: {"input":',
    );
    expect(() => loadModel(join(path, 'none'), build)).toThrow('ENOTDIR');
  });

  it('are options that JSON does not hold', () => {
    const model = new Tower({ input: 1, widths: [] });
    const wrong: [unknown, string][] = [
      [{ sizes: [1, NaN] }, 'options.sizes[1] is NaN'],
      [{ limits: { max: Infinity } }, 'options.limits.max is Infinity'],
      [{ generator: defaultGenerator }, 'options.generator is a Generator'],
      [{ weight: ones([2]) }, 'options.weight is f32[2]'],
      [{ f: () => 0 }, 'options.f is the function f'],
    ];
    for (const [options, message] of wrong) {
      const expected = `${message}, which JSON does not hold; leave it out`;
      expect(() => encodeModel(model, options as object)).toThrow(`encodeModel: ${expected}`);
      expect(() => saveModel(path, model, options as object)).toThrow(`saveModel: ${expected}`);
    }
    expect(() => encodeModel(model, 3 as never)).toThrow(
      'options is 3, expected a plain object of options',
    );
    expect(() => encodeModel(3 as never)).toThrow('encodeModel: model is 3, expected a Module');
    encodeModel(model, { none: undefined, deep: [{ text: 'x', is: true, nothing: null }] });
  });
});
