/**
 * Wrong arguments are reported: every function and class of the packages, called with arguments of
 * other kinds, gives a result or throws a TensorError that begins with a name. None fails inside
 * the library, with a message such as `x.matmul is not a function`.
 */
import * as library from 'mambagrad';
import * as files from 'mambagrad/node';
import { describe, expect, it } from 'vitest';

type Called = (...args: readonly unknown[]) => unknown;
type Made = new (...args: readonly unknown[]) => unknown;

const { ones } = library;
const x = ones([2, 3]);

/** Arguments that are right for few functions, or for none. */
const wrong: Readonly<Record<string, readonly unknown[]>> = {
  'no arguments': [],
  undefined: [undefined, undefined],
  null: [null, null],
  numbers: [3, 3, 3],
  strings: ['a', 'b', 'c'],
  'arrays of numbers': [[1, 2], [1, 2], [1, 2]],
  'empty objects': [{}, {}, {}],
  functions: [() => 1, () => 1],
  'a tensor': [x],
  'many tensors': [x, x, x, x, x],
};

/**
 * Functions that act on the process; a class that only `observe` makes; a step of the random
 * generator, which is called for each number.
 */
const left = [
  'closeThreads', 'startThreads', 'setThreads', 'runCommand', 'ObservedLayer', 'threefry2x32',
];
/** Those whose second argument, or first, is the name that errors begin with. */
const named = ['loadState', 'BiMambaBlock'];
const exported = Object.entries({ ...library, ...files } as Readonly<Record<string, unknown>>)
  .filter(([name, value]) => typeof value === 'function' && !left.includes(name));

const isClass = (f: unknown): f is Made => /^class\b/.test(String(f));

/** What the call throws, or the promise or the first step of the generator that it gives. */
async function failureOf(f: unknown, args: readonly unknown[]): Promise<unknown> {
  try {
    const result = isClass(f) ? new f(...args) : (f as Called)(...args);
    await (result as { next?: () => unknown } | undefined)?.next?.();
    await result;
    return undefined;
  } catch (error) {
    return error;
  }
}

const { Linear, Mamba, MambaBlock, mseLoss, SGD, Trainer } = library;
const samples = [{ x: [1], y: [2] }, { x: [3], y: [4] }];

function makeTrainer() {
  const model = new Linear(1, 1);
  return new Trainer({
    model, optimizer: new SGD(model.parameters()), data: new library.DataLoader(samples),
    predict: ({ x: inputs, y }) => ({ outputs: model.forward(inputs), targets: y }), loss: mseLoss,
  });
}

/** Objects, and those of their methods that users call; every method of a tensor. */
const objects: readonly (readonly [make: () => object, methods: readonly string[]])[] = [
  [() => ones([2, 3]), Object.entries(Object.getOwnPropertyDescriptors(library.Tensor.prototype))
    .flatMap(([name, { value }]) => (
      typeof value === 'function' && !['constructor', 'moveTo', 'noteAssigned'].includes(name)
        ? [name] : []
    ))],
  [() => new Linear(3, 2), ['forward', 'forwardInParts', 'inEval', 'freeze', 'loadStateDict']],
  [() => new library.Dropout(0.1), ['forward']],
  [() => new library.Embedding(3, 2), ['forward']],
  [() => new library.LayerNorm(3), ['forward']],
  [() => new library.Conv1d(3, 2, 2), ['forward']],
  [() => new library.GRU(3, 2), ['forward', 'step', 'initialState']],
  [() => new MambaBlock({ hiddenSize: 4 }), ['forward', 'scan', 'step', 'initialState']],
  [
    () => new Mamba({ embedDim: 3, hiddenSize: 4, numLayers: 1 }),
    ['forward', 'scan', 'step', 'initialState', 'predict', 'prepare'],
  ],
  [() => new library.DataLoader(samples), ['load']],
  [() => new library.MetricTotal(library.accuracy()), ['add', 'addSums', 'result']],
  [makeTrainer, ['evaluate', 'loadStateDict']],
  [() => new library.Standardizer().fit([1, 2]), ['fit', 'transform', 'inverse']],
  [() => library.parseCsv('a,b\n1,x\n'), ['at', 'numbers', 'strings', 'mask', 'toTensor']],
  [() => library.characterTokenizer('abc'), ['encode', 'decode']],
];

describe('every method', () => {
  it.each(Object.entries(wrong))('says what is wrong with %s', async (_name, args) => {
    const found: string[] = [];
    for (const [make, methods] of objects) {
      for (const name of methods) {
        const object = make();
        const method = Reflect.get(object, name) as Called | undefined;
        const error = await failureOf(method?.bind(object), args);
        if (error === undefined || error instanceof library.TensorError) continue;
        found.push(`${object.constructor.name}.${name}: ${String(error)}`);
      }
    }
    expect(found).toEqual([]);
  });
});

describe('every function and class', () => {
  it('is among those that are called', () => {
    expect(exported.length).toBeGreaterThan(200);
  });

  it.each(Object.entries(wrong))('says what is wrong with %s', async (_name, args) => {
    const found: string[] = [];
    for (const [name, f] of exported) {
      const error = await failureOf(f, args);
      // Errors of Node have a code, such as that of a file that is missing.
      const isSaid = error === undefined || error instanceof library.TensorError ||
        Object.hasOwn(Object(error) as object, 'code');
      const isNamed = !(error instanceof library.TensorError) || named.includes(name) ||
        /^[\w.]+: /.test(error.message);
      if (!isSaid || !isNamed) found.push(`${name}: ${String(error)}`);
    }
    expect(found).toEqual([]);
  });
});
