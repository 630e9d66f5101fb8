/**
 * Random programs, compiled: in WebAssembly and in JavaScript the same bits; and no farther from
 * float64 than four times what eager float32 is, and a millionth.
 */
import { compile, type CompileOptions, grad, type Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectSame, leaf, unevenCotangent } from '../../support/compare.ts';
import { type Program, programs } from '../../support/program.ts';

type Run = (...args: Tensor[]) => (Tensor | undefined)[];

/** The results of a program, with their gradients if there is one to take. */
function withGradients({ run }: Program): Run {
  return (...args) => {
    const outputs = run(...args);
    const floats = outputs.filter(({ dtype }) => dtype !== 'i32');
    const losses = floats.map((output) => output.mul(unevenCotangent(output)).sum());
    const loss = losses.reduce((sum, part) => sum.add(part));
    return [...outputs, ...grad(loss, args, { allowUnused: true })];
  };
}

const compiledBy = (run: Run, options: CompileOptions) =>
  compile(run, { deterministic: true, ...options });

const magnitude = (x: Tensor | undefined) => Math.max(0, ...Array.from(x?.data ?? [], Math.abs));

/** Expects float32 results to be near those of float64, given what eager float32 gives. */
function expectNear(found: Tensor, eager: Tensor, exact: Tensor, scale: number): void {
  expect(found.shape).toEqual(exact.shape);
  const errorOf = (x: Tensor) =>
    Math.max(0, ...Array.from(x.data, (value, i) => Math.abs(value - exact.data[i])));
  expect(errorOf(found)).toBeLessThanOrEqual(4 * errorOf(eager) + 1e-6 * scale);
}

function run(program: Program, body: Run, isExact: boolean): void {
  const inputs = program.inputs.map((input) => leaf(input, 'f32'));
  const others = inputs.map((input) => leaf(input.mul(0.9), 'f32'));
  const [wasm, js] = [compiledBy(body, {}), compiledBy(body, { backend: 'js' })];
  for (const args of [inputs, others, inputs]) {
    const exact = body(...args.map((input) => leaf(input, 'f64')));
    const eager = body(...args);
    const [found, twin] = [wasm(...args), js(...args)];
    // A sum may be far smaller than its terms, whose rounding it keeps.
    const scale = Math.max(...[...args, ...exact].map(magnitude));
    found.forEach((output, i) => {
      const [other, near, reference] = [twin[i], eager[i], exact[i]];
      if (!output || !other || !near || !reference) {
        expect([output, other, near]).toEqual([undefined, undefined, undefined]);
        return;
      }
      expectSame(output, other);
      if (isExact) expectNear(output, near, reference, scale);
    });
  }
  expect(wasm.explain()).toMatch(/^\d+ kernels?, /m);
}

describe('a random program, compiled', () => {
  it('is near to float64, and so are its gradients', () => {
    fc.assert(
      fc.property(programs(), (program) => run(program, withGradients(program), true)),
      { numRuns: 200 },
    );
  });

  it('gives the same bits in WebAssembly and JavaScript, jumps and all', () => {
    fc.assert(
      fc.property(programs({ smooth: false }), (program) => run(program, program.run, false)),
      { numRuns: 200 },
    );
  });

  it('gives the bits of eager float64', () => {
    fc.assert(
      fc.property(programs({ smooth: false }), (program) => {
        const inputs = program.inputs.map((input) => leaf(input, 'f64'));
        const expected = program.run(...inputs);
        const compiled = compile(program.run);
        compiled(...inputs).forEach((output, i) => expectSame(output, expected[i]));
      }),
      { numRuns: 100 },
    );
  });
});
