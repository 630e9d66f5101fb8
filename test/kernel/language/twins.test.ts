/** The two emitters are twins: whatever a kernel says, both do, to the last bit. */
import * as k from '@mambagrad/kernel';
import fc from 'fast-check';
import { describe, expect, inject, it } from 'vitest';
import { anyFloat, randomKernels } from './random.ts';
import { runTwins } from './twins.ts';
import { runs, someOf } from '../../support/soak.ts';

describe('a random kernel', () => {
  it('leaves the same bytes in WebAssembly and in JavaScript', () => {
    fc.assert(
      fc.property(randomKernels(), ({ kernel, given }) => {
        runTwins(kernel, given);
      }),
      { numRuns: runs(500) },
    );
  });

  it('uses all that the language has', () => {
    const words = [
      'for', 'if', 'else', 'let', 'step 4', ':4]', ':4 by', 'scratch', 'shuffle', 'lane', 'any',
      'ramp', 'toFloat', 'toInteger', 'toBits', 'fromBits', 'select', 'mulAdd', 'nearest',
      ' < ', ' & ', ' >>> ', 'minimum', 'not',
    ];
    // The forms that JavaScript has where kernels are long.
    const sizes = { lanes: 1, functions: 1 };
    const forms = [
      /let \$lane/, / \+ \$lane \+ /, /[^1] \* \$lane/, /\$floats\[\d+ \+ \$lane\] =/,
      /\$integers\[/,
      /^ +\w+\$3\(/m, /\$held/, /\$at1/,
    ];
    // A thousand kernels, unless fewer are enough.
    let [missingWords, missingForms] = [words, forms];
    for (let round = 0; round < 20 && missingWords.length + missingForms.length > 0; round++) {
      const drawn = fc.sample(randomKernels(), { seed: inject('seed') + round, numRuns: 50 });
      const kernels = drawn.map(({ kernel }) => kernel);
      const text = kernels.map((kernel) => k.printKernel(kernel)).join();
      const script = kernels.map((kernel) => k.printJavaScript(kernel, sizes)).join('\n');
      missingWords = missingWords.filter((word) => !text.includes(word));
      missingForms = missingForms.filter((form) => !form.test(script));
    }
    expect([missingWords, missingForms]).toEqual([[], []]);
  });
});

describe('lanes', () => {
  const functions = {
    exp: k.exp, expm1: k.expm1, log: k.log, log1p: k.log1p, tanh: k.tanh, sigmoid: k.sigmoid,
    softplus: k.softplus, sin: k.sin, cos: k.cos, erf: k.erf, sqrt: k.sqrt, nearest: k.nearest,
    pow: (x: k.Expr) => k.pow(x, 2.5),
    clamp: (x: k.Expr) => k.min(k.max(x, -1), 1),
    reciprocal: (x: k.Expr) => k.div(1, x),
  };

  it.each(someOf(Object.entries(functions)))('compute %s as single values do', (_, f) => {
    fc.assert(
      fc.property(fc.array(anyFloat(), { maxLength: 11 }), (numbers) => {
        const n = numbers.length;
        const [x, y, z] = ['x', 'y', 'z'].map((name) => k.buffer(name, 'f32', n));
        const kernel = k.kernel('both', [x, y, z], [
          k.vectorized('i', n, (i) => k.store(y, i, f(k.load(x, i)))),
          k.loop('i', n, (i) => k.store(z, i, f(k.load(x, i)))),
        ]);
        const results = runTwins(kernel, new Map([[x, numbers]]));
        expect(results.get(y)).toEqual(results.get(z));
      }),
      { numRuns: runs(50) },
    );
  });
});
