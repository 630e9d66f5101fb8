/**
 * Samples: text that the model makes while it is being trained, to see how far it is. Making one
 * draws random numbers and may change buffers; afterwards everything is as it was, so a run with
 * samples has the same bits as one without.
 */
import { type Tensor, TensorError } from '@mambagrad/tensor';
import { show } from '@mambagrad/tensor/options';
import type { Module } from '../modules/module.ts';
import { rememberState } from '../modules/state.ts';

/** Calls `make` with all modules in `eval`; puts back their modes, buffers, and `generators`. */
export async function makeSample(
  make: () => string | Promise<string>, model: Module, generators: readonly Tensor[],
): Promise<string> {
  const buffers = model.namedBuffers().map(([, buffer]) => buffer);
  const putBack = rememberState([...buffers, ...generators]);
  // `inEval` does not wait for promises.
  const modes = model.namedModules().map(([, module]) => [module, module.training] as const);
  model.eval();
  try {
    const text: unknown = await make();
    if (typeof text === 'string') return text;
    throw new TensorError(`samples: make gives ${show(text)}, expected a string`);
  } finally {
    // Modules come before their submodules, which `train` sets as well.
    for (const [module, training] of modes) module.train(training);
    putBack();
  }
}
