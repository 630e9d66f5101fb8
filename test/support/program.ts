/**
 * Random programs: directed graphs over the ops of the table, to hold differentiation, and any
 * other way of running a program, to the meaning of the ops.
 */
import type { Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { type Draw, drawBroadcastable, drawInteger, drawShape } from './draw.ts';
import { Sketch } from './sketch.ts';
import { addStep, stepNames } from './steps.ts';

export interface ProgramOptions {
  /**
   * Whether the outputs are smooth functions of the inputs, so that they have the gradients of
   * finite differences; else ops that jump come too, and values of dtype i32. Default true.
   */
  readonly smooth?: boolean;
  /** The most steps, not counting those that keep values within bounds. Default 12. */
  readonly maxSteps?: number;
}

export interface Program {
  /** Values (f64) in the shapes that the program takes. */
  readonly inputs: readonly Tensor[];
  /** The outputs for other inputs, all f64 or all f32. The same inputs give the same bits. */
  readonly run: (...inputs: Tensor[]) => Tensor[];
  /** The ops that were drawn, in order. */
  readonly ops: readonly string[];
  /**
   * A line for each step: `%3 = mul(%1, %2)  f64[2, 3]`. Names are those of values: where a step
   * gives back what it got, as a reshape to the same shape does, the name is the same.
   */
  readonly text: string;
}

const names = { smooth: stepNames(true), any: stepNames(false) };

/** Draws a program. If a step throws, it is the last, and so does the program when it is run. */
export function drawProgram(g: Draw, options: ProgramOptions = {}): Program {
  const { smooth = true, maxSteps = 12 } = options;
  const sketch = new Sketch(g);
  // The first has elements, which steps can take if they need a tensor of some other shape.
  const first = drawShape(g, { minRank: 1, empty: false });
  sketch.addInput(first);
  for (let left = drawInteger(g, 0, 3); left > 0; left--) {
    sketch.addInput(g(fc.boolean) ? drawShape(g) : drawBroadcastable(g, first));
  }
  const { inputs } = sketch;
  const ops: string[] = [];
  try {
    for (let left = drawInteger(g, 1, maxSteps); left > 0; left--) {
      const name = g(fc.constantFrom, ...(smooth ? names.smooth : names.any));
      ops.push(name);
      addStep(sketch, name, smooth);
    }
  } catch (error) {
    const run = () => {
      throw error;
    };
    return { inputs, run, ops, text: sketch.listing([]) };
  }
  const outputs = sketch.drawOutputs();
  const run = (...given: Tensor[]) => sketch.replay(given, outputs);
  return { inputs, run, ops, text: sketch.listing(outputs) };
}

/** Programs as fast-check draws them: a property that fails shows the listing. */
export function programs(options: ProgramOptions = {}): fc.Arbitrary<Program> {
  return fc.gen().map((g) => {
    const program = drawProgram(g, options);
    return { ...program, [fc.toStringMethod]: () => `\n${program.text}\n` };
  });
}
