/** Kernels under guard do what they do without one, or throw what is wrong with them. */
import * as k from '@mambagrad/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { randomKernels } from '../language/random.ts';

/** Runs a kernel of buffers that lie one behind the other. */
function runGuarded(kernel: k.Kernel, filled: readonly k.Parameter[] = []): ArrayBuffer {
  const memory = new ArrayBuffer(1024);
  let end = 0;
  const places = kernel.parameters.map((one) => {
    const bytes = 'node' in one ? 0 : 4 * one.length;
    return (end += bytes) - bytes;
  });
  k.compileGuarded(kernel, memory, filled)(...places, end);
  return memory;
}

/** Without a guard, and with one: as short kernels are written, and as long ones are. */
const compilers: readonly ((kernel: k.Kernel, memory: ArrayBuffer) => k.CompiledKernel)[] = [
  (kernel, memory) => k.compileJavaScript(kernel, memory),
  (kernel, memory) => k.compileGuarded(kernel, memory),
  (kernel, memory) => k.compileGuarded(kernel, memory, [], { lanes: 1, functions: 1 }),
];

describe('a guarded kernel', () => {
  it('leaves the same bytes as another', () => {
    let compared = 0;
    fc.assert(
      fc.property(randomKernels(), ({ kernel, given }) => {
        const [plain, ...all] = compilers.map((compile) => {
          const memory = new ArrayBuffer(65536);
          let end = 64;
          const call = kernel.parameters.map((one) => {
            if ('node' in one) return given.get(one) as number;
            const View = one.kind === 'f32' ? Float32Array : Int32Array;
            new View(memory, end, one.length).set(given.get(one) as number[] ?? []);
            return (end += 4 * one.length) - 4 * one.length;
          });
          try {
            compile(kernel, memory)(...call, end);
          } catch (error) {
            return String(error);
          }
          return new Int32Array(memory).join();
        });
        // Random kernels read scratch memory as it is.
        if (/before it is written$/.test(all[0])) return;
        expect(all).toEqual([plain, plain]);
        compared++;
      }),
      { numRuns: 200 },
    );
    expect(compared).toBeGreaterThan(50);
  });

  const [x, y] = ['x', 'y'].map((name) => k.buffer(name, 'i32', 4));
  const scratch = k.scratch('s', 'i32', 4);
  const one = k.constant('i32', 1);
  const i = k.load(x, 0);

  it.each<[string, k.Statements, string]>([
    [
      'a read out of range', k.store(y, 0, k.load(x, k.add(i, 4))),
      'reads element 4 of x, which has 4 elements',
    ],
    ['a read before the start', k.store(y, 0, k.load(x, k.sub(i, 2))), 'reads element -2 of x'],
    ['a write out of range', k.store(y, k.sub(i, 1), one), 'writes element -1 of y'],
    ['a lane out of range', k.store(y, k.ramp(k.add(i, 1)), one), 'writes element 4 of y'],
    [
      'what is not used', k.store(y, 0, k.select(k.equal(i, 0), one, k.load(x, k.add(i, 9)))),
      'reads element 9 of x',
    ],
    [
      'scratch memory that nobody wrote', k.store(y, 0, k.load(scratch, 1)),
      'reads element 1 of s before it is written',
    ],
    [
      'an iteration that reads what another wrote',
      k.parallel('r', 2, (r) => k.store(y, r, k.load(y, 0))),
      'reads element 0 of y in iteration 1 of a parallel loop, and iteration 0 has written it',
    ],
    [
      'an iteration that writes what others read',
      k.parallel('r', 3, (r) => k.store(y, k.sub(2, r), k.load(y, 0))),
      'writes element 0 of y in iteration 2 of a parallel loop, and others have read it',
    ],
    [
      'two iterations that write the same',
      k.parallel('r', 2, () => k.store(y, 0, 1)),
      'writes element 0 of y in iteration 1 of a parallel loop, and iteration 0 has written it',
    ],
    [
      'scratch memory of another iteration in the same thread',
      k.parallel('r', 2, (r) => [
        k.when(k.equal(r, 0), k.store(scratch, 0, 1)), k.store(y, r, k.load(scratch, 0)),
      ]),
      'reads element 0 of s before it is written',
    ],
    [
      'elements that are left out', k.loop('j', 3, (j) => k.store(y, j, 1)),
      'leaves element 3 of y unwritten',
    ],
  ])('throws for %s', (_what, statements, message) => {
    const filled = message.startsWith('leaves') ? [y] : [];
    expect(() => runGuarded(k.kernel('wrong', [x, y], statements), filled)).toThrow(
      `kernel wrong: ${message}`,
    );
  });

  it('takes what comes after a parallel loop, and what rounds have for themselves', () => {
    const kernel = k.kernel('right', [x, y], [
      k.parallel('r', 4, (r) => [k.store(scratch, 0, r), k.store(y, r, k.load(scratch, 0))]),
      k.store(y, 0, k.add(k.load(y, 3), 4)),
      k.parallel('r', 4, (r) => k.store(y, k.sub(3, r), k.load(x, r))),
    ]);
    expect(new Int32Array(runGuarded(kernel, [y]), 16, 4)).toEqual(new Int32Array(4));
  });
});

describe('withFinestChunks', () => {
  it('cuts all that can be cut, and ends with its body', () => {
    const roundsOf = (work: number) => k.partition([3, 8], work, { multipleOf: 4 }).chunks;
    expect([roundsOf(1), k.withFinestChunks(() => roundsOf(1)), roundsOf(1)]).toEqual([1, 6, 1]);
    expect(k.withFinestChunks(() => roundsOf(0))).toBe(1);
    expect(() => k.withFinestChunks(() => { throw new Error('over'); })).toThrow('over');
    expect(roundsOf(1)).toBe(1);
  });
});
