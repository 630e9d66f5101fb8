/**
 * Random programs, compiled, without and with state: in WebAssembly and in JavaScript the same
 * bits; and no farther from float64 than four times what eager float32 is.
 */
import { compile, Generator, type Tensor, uniform } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { expectSame, leaf } from '../../support/compare.ts';
import {
  type Body, expectAllSame, expectCompiled, expectNear, nudged, twins, withGradients,
} from '../../support/compiled.ts';
import { type Program, programs } from '../../support/program.ts';
import { runs, someOf } from '../../support/soak.ts';

describe('a random program, compiled', () => {
  it('is near to float64, and so are its gradients', () => {
    fc.assert(
      fc.property(programs(), ({ inputs, run }) => {
        const body = withGradients(run);
        const compiled = twins(body);
        const first = expectCompiled(compiled, body, inputs);
        expectCompiled(compiled, body, inputs.map((input) => input.mul(0.9)));
        expectAllSame(compiled(...inputs.map((input) => leaf(input, 'f32'))), first);
      }),
      { numRuns: runs(100) },
    );
  });

  it('gives the same bits in WebAssembly and JavaScript, jumps and all', () => {
    fc.assert(
      fc.property(programs({ smooth: false }), ({ inputs, run }) => {
        const compiled = twins(run);
        const leaves = inputs.map((input) => leaf(input, 'f32'));
        const first = compiled(...leaves);
        compiled(...leaves.map((input) => input.mul(0.9)));
        expectAllSame(compiled(...leaves), first);
      }),
      { numRuns: runs(100) },
    );
  });

  const passes = ['share', 'fold', 'inline', 'group', 'inPlace'] as const;
  it.each(someOf([...passes, passes.join(' ')]))('is near without %s', (names) => {
    const without = passes.filter((pass) => names.split(' ').includes(pass));
    fc.assert(
      fc.property(programs(), ({ inputs, run }) => {
        const body = withGradients(run);
        const compiled = compile(body, { without });
        expectCompiled(compiled, body, inputs);
        expectCompiled(compiled, body, inputs.map((input) => input.mul(0.9)));
      }),
      { numRuns: runs(40) },
    );
  });

  it('gives the bits of eager float64', () => {
    fc.assert(
      fc.property(programs({ smooth: false }), ({ inputs, run }) => {
        const leaves = inputs.map((input) => leaf(input, 'f64'));
        const expected = run(...leaves);
        compile(run)(...leaves).forEach((output, i) => expectSame(output, expected[i]));
      }),
      { numRuns: runs(100) },
    );
  });
});

/** What becomes of an input: it stays one, or it is state that the program reads and assigns to. */
const roles = ['argument', 'kept', 'decaying', 'output', 'swapped'] as const;
type Role = (typeof roles)[number];

interface Machine {
  readonly step: Body;
  readonly states: readonly Tensor[];
  readonly generator: Generator;
}

/** A program with noise on its first input, and a part of its inputs as state of these roles. */
function machineOf(
  { inputs, run }: Program,
  played: readonly Role[],
  dtype: 'f32' | 'f64',
): Machine {
  const generator = new Generator(7);
  const states = inputs.map((input) => leaf(input, dtype));
  const isLike = (a: Tensor) => (b: Tensor | undefined) =>
    b !== undefined && b.dtype === a.dtype && `${b.shape}` === `${a.shape}`;
  const step = (...args: Tensor[]) => {
    const [first, ...others] = args.map((arg, i) => (played[i] === 'argument' ? arg : states[i]));
    const noise = uniform(first.shape, -0.1, 0.1, { generator }).cast(dtype);
    const results = withGradients(run)(first.add(noise), ...others);
    for (const [i, state] of states.entries()) {
      const output = results.find(isLike(state));
      const other = states.find((one, j) => j > i && isLike(state)(one));
      if (played[i] === 'decaying') state.assign(state.mul(0.5));
      if (played[i] === 'output' && output) state.assign(output);
      if (played[i] === 'swapped' && other) {
        const old = state.detach();
        state.assign(other);
        other.assign(old);
      }
    }
    return [...results, ...states.map((state) => state.mul(2)), ...states];
  };
  return { step, states, generator };
}

describe('a random program with state, compiled', () => {
  it('does what it does eagerly, call after call', () => {
    const role = fc.constantFrom(...roles);
    const all = fc.tuple(role, role, role, role);
    fc.assert(
      fc.property(programs({ maxSteps: 8 }), all, (program, played) => {
        const [wasm, js, eager] = [1, 2, 3].map(() => machineOf(program, played, 'f32'));
        const others = [1, 2, 3].map(() => machineOf(program, played, 'f32'));
        const exact = machineOf(program, played, 'f64');
        const inWasm = compile(wasm.step, { deterministic: true });
        const inJs = compile(js.step, { deterministic: true, backend: 'js' });
        const args = program.inputs.map((input) => leaf(input, 'f32'));
        for (let round = 0; round < 3; round++) {
          const before = [...args, ...eager.states].map((x) => leaf(x));
          // The states are equal in the first call and in the last.
          others.forEach(({ states }, i) =>
            states.forEach((state) => state.assign(nudged(state, i + 1))),
          );
          const nudges = others.map(({ step }, i) =>
            step(...args.map((arg) => leaf(nudged(arg, i + 1), 'f32'))),
          );
          const [found, twin, near] = [inWasm, inJs, eager.step].map((step) => step(...args));
          const expected = exact.step(...args.map((arg) => leaf(arg)));
          expectAllSame(found, twin);
          // In the second call the programs go on with what they left: rounding errors add up.
          if (round !== 1) expectNear(found, [near, ...nudges], expected, before);
          for (const { states, generator } of [wasm, js, exact, ...others]) {
            expectSame(generator.state, eager.generator.state);
            if (round === 0) continue;
            states.forEach((state, i) => state.assign(eager.states[i].cast(state.dtype)));
          }
        }
      }),
      { numRuns: runs(100) },
    );
  });
});
