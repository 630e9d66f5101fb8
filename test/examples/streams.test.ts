/**
 * The streams of the induction example, read by a loop that knows nothing of how they are drawn.
 */
import { MambaLM } from '@mambagrad/mamba';
import { concat, manualSeed } from '@mambagrad/tensor';
import { expect, it } from 'vitest';
import { Streams } from '../../examples/induction/streams.ts';
import { expectClose } from '../support/compare.ts';

const [count, length, vocabSize, special] = [5, 9, 4, 3];

it('ask in every window for the token behind the latest special one', () => {
  manualSeed(1);
  const model = new MambaLM({ vocabSize, hiddenSize: 4, stateSize: 2, numLayers: 1 });
  const streams = new Streams(model, count, length, vocabSize);
  const remembered = new Array<number>(count);
  const carried = new Array<number>(count).fill(0);
  for (let window = 0; window < 40; window++) {
    const { inputs, targets } = streams.next();
    expect(inputs.shape).toEqual([count, length]);
    for (const [row, { data: tokens }] of inputs.unbind(0).entries()) {
      const place = tokens.indexOf(special);
      expect(tokens.lastIndexOf(special)).toBe(length - 1);
      if (place < length - 1) remembered[row] = tokens[place + 1];
      else carried[row]++;
    }
    expect(Array.from(targets.data)).toEqual(remembered);
  }
  // Most windows of the last row ask for a token from a window before.
  expect(carried[count - 1]).toBeGreaterThan(20);
});

it('carry the state on from window to window, without their last token', () => {
  manualSeed(2);
  const model = new MambaLM({ vocabSize, hiddenSize: 4, stateSize: 2, numLayers: 2 }).to('f64');
  const streams = new Streams(model, count, length, vocabSize);
  const windows = Array.from({ length: 4 }, () => streams.next());
  const read = windows.slice(0, 3).map(({ inputs }) => inputs.narrow(1, 0, length - 1));
  const { state } = model.scan(concat(read, 1));
  for (const [i, layer] of (windows[3].state ?? []).entries()) {
    for (const [name, tensor] of Object.entries(layer)) {
      expectClose(tensor, state[i][name], 1e-12, 1e-12);
    }
  }
  expect(windows[3].state).toHaveLength(2);
});
