/**
 * Every options object of every package goes through one check. These properties hold for all
 * public functions and classes that take options: names that do not exist and values of a wrong
 * kind are errors that name them; undefined is the same as absent; and a default is the value that
 * the docs say, and leaving it out gives bit for bit what writing it gives.
 */
import { BiMamba, MambaLM, saveLanguageModel } from '@mambagrad/mamba';
import { Module } from '@mambagrad/nn';
import { manualSeed, Tensor } from '@mambagrad/tensor';
import { describe, expect, test, vi } from 'vitest';
import type { Table } from '../../packages/wasm/src/common/options.ts';
import { someOf } from '../support/soak.ts';
import type { Row } from './row.ts';
import { rows } from './rows.ts';
import { documentedDefault, isDocumented, placesThatRead } from './sources.ts';

type AnyTable = Table<Readonly<Record<string, unknown>>>;

/** The latest table through which options were read, and all places where that was done. */
const reads = vi.hoisted((): { table: AnyTable; readonly places: Set<string> } => ({
  table: {}, places: new Set(),
}));

/** Whether a file is of a package, and not one that reads options. */
function isOfPackage(file: string): boolean {
  return /\/packages\/\w+\/src\//.test(file) && !file.endsWith('/options.ts');
}

/** The place in the sources of packages that a stack is of. */
function placeOf(stack = ''): string | undefined {
  return Array.from(stack.matchAll(/packages\/(\w+\/src\/[\w./]+\.ts:\d+)/g), ([, name]) => name)
    .find((name) => !/\/options\.ts:/.test(name));
}

vi.mock(import('../../packages/wasm/src/common/options.ts'), async (importOriginal) => {
  const original = await importOriginal();
  /** The places, by where they are in the code that runs. */
  const known = new Map<string, string | undefined>();
  const readOptions: typeof original.readOptions = (op, given, table, failure) => {
    reads.table = table;
    const { stackTraceLimit, prepareStackTrace } = Error;
    // The place is near the top, and a long stack takes long to write.
    Error.stackTraceLimit = 6;
    // To look up the lines of the sources takes longest, so that is done once for each place.
    Error.prepareStackTrace = (_, sites) => {
      const site = sites.find((each) => isOfPackage(each.getFileName() ?? ''));
      return `${site?.getFileName()}:${site?.getLineNumber()}:${site?.getColumnNumber()}`;
    };
    const running = String(new Error().stack);
    Error.prepareStackTrace = prepareStackTrace;
    if (!known.has(running)) known.set(running, placeOf(new Error().stack));
    Error.stackTraceLimit = stackTraceLimit;
    const place = known.get(running);
    if (place !== undefined) reads.places.add(place);
    return original.readOptions(op, given, table, failure);
  };
  return { ...original, readOptions };
});

/** All that a call gave, as text that is the same for the same bits only. */
function bitsOf(value: unknown): string {
  if (value instanceof Tensor) {
    const { buffer, byteOffset, byteLength } = value.data;
    const bytes = Buffer.from(buffer, byteOffset, byteLength).toString('hex');
    return `${value.dtype}[${value.shape.join()}] ${bytes} ${value.requiresGrad}`;
  }
  if (value instanceof Module) return bitsOf([...value.stateDict()]);
  if (Array.isArray(value)) return `[${value.map(bitsOf).join()}]`;
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer).toString('hex');
  if (typeof value === 'object' && value !== null) return bitsOf(Object.entries(value));
  return typeof value === 'function' ? 'a function' : String(value);
}

/** Whether a docstring can write a default out. */
function isLiteral(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isLiteral);
  return ['boolean', 'number', 'string'].includes(typeof value);
}

/** The bits of a row's call from the same seed. */
async function call(row: Row, more: Readonly<Record<string, unknown>> = {}): Promise<string> {
  manualSeed(7);
  return bitsOf(await row.run({ ...row.fewest(), ...more } as never));
}

/** The table through which a row's call reads its options: the one that finds an unknown one. */
async function tableOf(row: Row): Promise<AnyTable> {
  const unknown = call(row, { noSuchOption: 1 });
  await expect(unknown).rejects.toThrow("there is no option 'noSuchOption'");
  return reads.table;
}

/** Those with which options are left out in another way; the seed chooses them. */
const leavingOut = new Set(someOf(Object.keys(rows)));

describe.each(Object.entries(rows))('%s', (name, row) => {
  const [packageName, ...types] = row.type.split(' ');
  let plain: Promise<string> | undefined;
  /** What the row's call gives without any more options. */
  const expectedBits = () => (plain ??= call(row));

  test('refuses an option that does not exist, and what are no options at all', async () => {
    await tableOf(row);
    for (const wrong of [null, 3, 'x', true, [1], () => 0]) {
      if (row.alsoTakes?.includes(wrong)) continue;
      await expect((async () => row.run(wrong as never))()).rejects.toThrow(
        /: (options|validation|samples|best) (are|is) /,
      );
    }
  });

  test('refuses a value of the wrong kind, and names it', async () => {
    class Wrong {}
    const wrong = new Wrong();
    for (const [key, { kind }] of Object.entries(await tableOf(row))) {
      if (kind.accepts(wrong)) continue;
      await expect(call(row, { [key]: wrong }), key).rejects.toThrow(`${key} is a Wrong, expected`);
    }
  });

  if (leavingOut.has(name)) test('takes undefined for absent', async () => {
    const given = row.fewest();
    const absent = Object.keys(await tableOf(row)).filter((key) => !(key in given));
    const all = Object.fromEntries(absent.map((key) => [key, undefined]));
    expect(await call(row, all)).toBe(await expectedBits());
  });

  test('documents every option and its default, which is the same if it is written', async () => {
    const left = new Set([...Object.keys(row.fewest()), ...(row.others ?? [])]);
    const written: Record<string, unknown> = {};
    for (const [key, { fallback }] of Object.entries(await tableOf(row))) {
      expect(isDocumented(packageName, types, key), key).toBe(true);
      const documented = documentedDefault(packageName, types, key, name.split('.')[0]);
      if (isLiteral(fallback)) expect({ key, ...documented }).toEqual({ key, value: fallback });
      if (documented && !left.has(key)) written[key] = documented.value;
    }
    const expected = await expectedBits();
    if ((await call(row, written)) === expected) return;
    // One of them is not the default: which?
    for (const [key, value] of Object.entries(written)) {
      expect(await call(row, { [key]: value }), key).toBe(expected);
    }
    expect(await call(row, written)).toBe(expected);
  });
});

/** Places that read options without a call that hands them on. */
const notCalled = [
  // Reads a lowering that is of no kind, so as to say what is wrong with it.
  'tensor/src/core/checkLowering.ts',
];

test('every place that reads options is reached', () => {
  BiMamba.recommendedDefaults();
  MambaLM.outputSize({ vocabSize: 5, hiddenSize: 4 });
  saveLanguageModel(new MambaLM({ vocabSize: 5, hiddenSize: 4 }));
  const missing = placesThatRead().filter(
    (place) => !reads.places.has(place) && !notCalled.some((file) => place.startsWith(file)),
  );
  expect(missing).toEqual([]);
});
