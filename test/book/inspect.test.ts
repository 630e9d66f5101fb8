/** What the site prints of a value is what Node prints. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { format as nodeFormat } from 'node:util';
import { format } from '../../scripts/book/worker/inspect.ts';

/** Later Nodes than 22 show symbols that are keys without the brackets that the site has. */
const hasBrackets = nodeFormat({ [Symbol('key')]: 1 }).startsWith('{ [');
const [key, tag] = hasBrackets ? [Symbol('key'), Symbol.toStringTag] as const : ['key', 'tag'];

class Point {
  readonly x: number;
  constructor(x: number) { this.x = x; }
}
class Named extends Map<string, number> {
  override get [Symbol.toStringTag](): string { return 'Named'; }
}

/** Values of all kinds that pages print, nested. */
const values = fc.letrec<{ leaf: unknown; value: unknown }>((tie) => ({
  leaf: fc.oneof(
    fc.integer(), fc.double(), fc.string(),
    fc.string({ unit: fc.constantFrom('a', '\x00', 'é', '→', '\n', '\\', '\ud83d') }), fc.boolean(),
    fc.constantFrom(
      null, undefined, -0, NaN, 10n, Symbol('s'), "it's", '"it\'s"', '`"\'', '\n', '\ud83d',
      '\x7f\x9f',
    ),
    fc.string({ minLength: 60, maxLength: 200 }),
    fc.array(fc.constantFrom('a', '\n', "'"), { minLength: 17, maxLength: 140 }).map((all) =>
      all.join(''),
    ),
  ),
  value: fc.oneof(
    { maxDepth: 5, depthSize: 'large' },
    tie('leaf'),
    fc.array(tie('value'), { maxLength: 9 }),
    fc.array(fc.integer({ min: -1000, max: 100_000 }), { maxLength: 130 }),
    fc.array(fc.double({ noNaN: true }).map((x) => Math.round(x * 100) / 100), { maxLength: 30 }),
    fc.array(fc.string({ maxLength: 12 }), { maxLength: 40 }),
    fc.sparseArray(fc.integer(), { maxLength: 20 }),
    fc.dictionary(fc.string(), tie('value'), { maxKeys: 6 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'long_name', 'x-y', '2'), tie('value')),
    fc.array(fc.tuple(tie('leaf'), tie('value')), { maxLength: 5 }).map((all) => new Map(all)),
    fc.array(tie('value'), { maxLength: 5 }).map((all) => new Set(all)),
    fc.float32Array({ maxLength: 120 }), fc.int32Array({ maxLength: 20 }),
    fc.bigInt64Array({ maxLength: 9 }),
    fc.uint8ClampedArray({ maxLength: 9 }),
    fc.integer().map((x) => new Point(x)),
    tie('value').map((value) => Object.assign([1, 2, 3], { value })),
    tie('value').map((value) => ({ __proto__: null, value })),
    tie('value').map((value) =>
      ({ [key]: value, get a() { return 1; }, set a(_) {}, get b() { return 1; } }),
    ),
    tie('value').map(
      (value) => { const all = { value, self: {} }; all.self = all; return { all }; },
    ),
    tie('value').map((value) => ({ [tag]: 'Tag', value })),
    fc.constantFrom(
      /a+/g, new Date(0), new Date(NaN), () => 1, function named() {}, async () => 1,
      function* g() {},
      Point, class extends Point {}, Named, new Named([['a', 1]]), Math, JSON, [], {}, new Map(),
      new Set(),
      new Float32Array(), Object.assign(() => 1, { a: 1 }), class A { static b = 2; },
      new (class extends Array {})(),
      new (class {})(), Object.create(null), Object.create(new Point(1)), new Array(3),
      { [Symbol.for('nodejs.util.inspect.custom')]: () => 'own\nlines' },
    ),
  ),
})).value;

test('values are shown as Node shows them', () => {
  fc.assert(
    fc.property(values, (value) => {
      expect(format(value)).toBe(nodeFormat(value));
    }),
    { numRuns: 3000 },
  );
});

test('several values, and texts with places for them', () => {
  const texts =
    fc.array(fc.constantFrom('%s', '%d', '%i', '%f', '%j', '%o', '%%', '%', ' ', 'a', '%c'))
    .map((all) => all.join(''));
  const leaves = fc.oneof(
    fc.integer(), fc.double(), fc.string(), fc.boolean(),
    fc.constantFrom(null, undefined, -0, 10n, [1], { a: 1 }),
  );
  fc.assert(
    fc.property(fc.oneof(texts, values), fc.array(leaves, { maxLength: 5 }), (first, rest) => {
      const isEqual = typeof first === 'string' && /%[oj]/.test(first);
      if (isEqual && rest.some((each) => typeof each === 'object' || typeof each === 'bigint')) {
        return;
      }
      expect(format(first, ...rest)).toBe(nodeFormat(first, ...rest));
    }),
    { numRuns: 1000 },
  );
  expect(format()).toBe(nodeFormat());
  expect(format('100%')).toBe('100%');
});

test('errors in one line, with what else they have', () => {
  expect(format(new TypeError('a b'))).toBe('[TypeError: a b]');
  expect(format(Object.assign(new Error('a'), { code: 1 }))).toBe('[Error: a] { code: 1 }');
  expect(format({ e: new RangeError('a', { cause: 2 }) })).toBe(
    '{ e: [RangeError: a] { [cause]: 2 } }',
  );
});
