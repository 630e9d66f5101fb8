/** Calls of `selectiveScan`, drawn at random, and the same by other ways. */
import { selectiveScan, type SelectiveScanOptions } from '@mambagrad/mamba';
import { concat, Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { type Draw, drawInteger, drawSizes, drawTensor } from './draw.ts';
import { drawFlags } from './sequences.ts';

/** The order in which properties pass the tensors. */
export const names = ['u', 'delta', 'A', 'B', 'C', 'D', 'z', 'deltaBias', 'initialState'] as const;

/** The tensors of a call, by name. */
export type Inputs = Partial<Record<(typeof names)[number], Tensor>>;

export function scan(inputs: Inputs, options: SelectiveScanOptions) {
  const { u, delta, A, B, C, D, z, deltaBias, initialState } = inputs;
  if (!u || !delta || !A || !B || !C) throw new Error('the first five are always there');
  return selectiveScan(u, delta, A, B, C, { D, z, deltaBias, initialState, ...options });
}

/** The shape of B and C: one for all channels, or one for each of some groups of them. */
function drawShared(g: Draw, [batch, length, channels, state]: readonly number[]): number[] {
  if (g(fc.boolean)) return [batch, length, state];
  const divisors =
    Array.from({ length: channels }, (_, i) => i + 1).filter((n) => channels % n === 0);
  return [batch, length, divisors[drawInteger(g, 0, divisors.length - 1)], state];
}

/** Inputs as Mamba has them: A negative, Δ from softplus; optional ones come and go. */
export function drawInputs(
  g: Draw,
  length: number,
  all = false,
  [batch, channels, state] = drawSizes(g, 2, 4, 4),
): Inputs {
  const isThere = () => all || g(fc.boolean);
  const shared = drawShared(g, [batch, length, channels, state]);
  return {
    u: drawTensor(g, [batch, length, channels]),
    delta: drawTensor(g, [batch, length, channels]),
    A: drawTensor(g, [channels, state], -2, -0.1),
    B: drawTensor(g, shared),
    C: drawTensor(g, shared),
    ...(isThere() && { D: drawTensor(g, [channels]) }),
    ...(isThere() && { z: drawTensor(g, [batch, length, channels]) }),
    ...(isThere() && { deltaBias: drawTensor(g, [channels]) }),
    ...(isThere() && { initialState: drawTensor(g, [batch, channels, state]) }),
  };
}

export function flagsFor(g: Draw, { u }: Inputs) {
  return u ? drawFlags(g, u.shape) : {};
}

/** The inputs with those that have steps cut or rearranged. */
export function mapSteps(inputs: Inputs, change: (x: Tensor) => Tensor): Inputs {
  const changed = (['u', 'delta', 'B', 'C', 'z'] as const).flatMap((name) => {
    const x = inputs[name];
    return x ? [[name, change(x)]] : [];
  });
  return { ...inputs, ...Object.fromEntries(changed) };
}

/** y and the last state in one tensor, so that both take part in the gradients. */
export function both(inputs: Inputs, options: SelectiveScanOptions) {
  const present = names.filter((name) => inputs[name]);
  const list = present.flatMap((name) => inputs[name] ?? []);
  const f = (...args: Tensor[]) => {
    const given = Object.fromEntries(present.map((name, i) => [name, args[i]]));
    const { y, lastState } = scan(given, options);
    return concat([y.flatten(), lastState.flatten()]);
  };
  return { f, list };
}

/** Scans of the channels of each group by itself, put together. */
export function byGroups(inputs: Inputs, options: SelectiveScanOptions) {
  const { u, B } = inputs;
  if (!u || !B) throw new Error('both are always there');
  const [groups, inGroup] = [B.shape[2], u.shape[2] / B.shape[2]];
  const axes = { u: 2, delta: 2, A: 0, D: 0, z: 2, deltaBias: 0, initialState: 1 } as const;
  const parts = Array.from({ length: groups }, (_, group) => {
    const cut = Object.entries(inputs).map(([name, x]) => {
      const axis = axes[name as keyof typeof axes] as number | undefined;
      const own = axis === undefined
        ? x.narrow(2, group, 1).squeeze(2)
        : x.narrow(axis, group * inGroup, inGroup);
      return [name, own];
    });
    return scan(Object.fromEntries(cut), options);
  });
  return {
    y: concat(parts.map(({ y }) => y), 2),
    lastState: concat(parts.map(({ lastState }) => lastState), 1),
  };
}

/** The recurrence of one channel with every single operation rounded to float32. */
export function plainRecurrence({ u, delta, A, B, C }: Inputs, length: number): Tensor {
  if (!u || !delta || !A || !B || !C) throw new Error('the first five are always there');
  const round = Math.fround;
  const states = new Float32Array(A.numel);
  const y = new Float32Array(length);
  for (let t = 0; t < length; t++) {
    const input = round(delta.data[t] * u.data[t]);
    for (let n = 0; n < states.length; n++) {
      const at = t * states.length + n;
      const decay = round(Math.exp(round(delta.data[t] * A.data[n])));
      states[n] = round(decay * states[n]) + round(input * B.data[at]);
      y[t] += round(C.data[at] * states[n]);
    }
  }
  return tensor(y, { shape: [1, length, 1] });
}
