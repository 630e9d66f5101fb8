/**
 * State space duality in discrete time: a state that decays by a given factor and takes in what it
 * is given, with no step size and no rate (the "minimal" form of Dao and Gu, "Transformers are
 * SSMs" (2024), listing 1). For each head, with a_t a log decay and h_t of P rows and N columns,
 *
 *     h_t = exp(a_t) h_{t−1} + x_t B_tᵀ,     y_t = h_t C_t + D x_t
 *
 * Mamba-2 discretises first, a_t = Δ_t A and x_t ← Δ_t x_t (ssd.ts). With a constant a_t it is
 * RetNet; with a_t = log σ(gate), gated linear attention of one decay for a head.
 *
 * Where a document begins, the state before is left out. At padding, a_t and all inputs are 0,
 * whatever is written there, so that the state stays: 0 · NaN would be NaN.
 */
import { concat, describe, einsum, type Tensor, TensorError, zeros } from '@mambagrad/tensor';
import { requireFloat, requireTensor } from '@mambagrad/tensor/extend';
import { oneOf, readOptions, type Table, tensors, whole } from '@mambagrad/tensor/options';
import { requireStatesAt } from '../../sequence/documents.ts';
import {
  clearPadding, flagOptions, readFlags, requireShapes, type SequenceFlags,
} from '../../sequence/sequence.ts';
import {
  chunked, recurrent, type SSDForm, type SSDInputs, type SSDResult,
} from './composed.ts';
import { restarted } from '../restart.ts';
import { statesAfter } from '../statesAt.ts';
import { fused } from './fused.ts';

/**
 * `fused` and `chunked` are matrices, chunk by chunk: in one pass that stores none of them, or
 * composed of ops. `recurrent` is what the recurrence says, composed of ops around `linearScan`.
 */
export type SSDAlgorithm = 'fused' | 'chunked' | 'recurrent';

/** Options of `ssd`: B rows, L steps, H heads of P channels, N numbers of state in each channel. */
export interface SSDOptions extends SequenceFlags {
  /** The skip connection, [H], or [H, P] with a number for each channel. Default none. */
  readonly D?: Tensor | undefined;
  /** The state before the first step, [B, H, P, N]. Default zeros. */
  readonly initialState?: Tensor | undefined;
  /** The state in which documents begin after a reset, [H, P, N]. Default zeros. */
  readonly resetState?: Tensor | undefined;
  /** The most steps of a chunk, where `fused` takes 32 at most; changes no result. Default 64. */
  readonly chunkSize?: number | undefined;
  /** How it is computed; all agree up to rounding. Default 'fused'. */
  readonly algorithm?: SSDAlgorithm | undefined;
  /**
   * Steps after which states are wanted, i32 [B, any], such as the last steps of documents
   * (`documentEnds`); −1 is before the first step. Default none.
   */
  readonly statesAt?: Tensor | undefined;
}

const ssdOptions = {
  ...flagOptions,
  D: tensors.optional(),
  initialState: tensors.optional(),
  resetState: tensors.optional(),
  chunkSize: whole(1).orElse(64),
  algorithm: oneOf('fused', 'chunked', 'recurrent').orElse('fused'),
  statesAt: tensors.optional(),
} satisfies Table<SSDOptions>;

/** A call of `ssd` or `discreteSSD` whose arguments have been checked. */
export interface Call {
  readonly B: Tensor;
  readonly C: Tensor;
  readonly D: Tensor | undefined;
  readonly initialState: Tensor;
  readonly resetState: Tensor | undefined;
  /** i32, [B, L]: where the past is dropped. */
  readonly reset: Tensor | undefined;
  readonly statesAt: Tensor | undefined;
  /** x [B, L, ...] with the steps that are padding set to 0. */
  clear(x: Tensor): Tensor;
  /** The algorithm, with its chunk size. */
  scan(inputs: SSDInputs): SSDForm;
}

/** Checks, in the name of `op`, the arguments that both functions have. */
export function readCall(
  op: string, x: Tensor, B: Tensor, C: Tensor, given: SSDOptions,
): Call {
  const options = readOptions(op, given, ssdOptions);
  const { D, algorithm, chunkSize, resetState, statesAt } = options;
  requireFloat(op, 'x', x);
  requireTensor(op, 'B', B);
  const [batch, length, heads, headDim] = x.shape;
  const [groups, stateSize] = B.shape.slice(2);
  if (x.ndim !== 4 || B.ndim !== 4 || heads % groups !== 0) {
    throw new TensorError(
      `${op}: x is ${describe(x)}, B ${describe(B)}; expected [batch, length, heads, headDim] ` +
        'and [batch, length, groups, state] with heads a multiple of groups',
    );
  }
  const stateShape = [batch, heads, headDim, stateSize];
  const { initialState = zeros(stateShape, { dtype: x.dtype }) } = options;
  requireShapes(op, x.dtype, {
    D: [D, D?.ndim === 2 ? [heads, headDim] : [heads]],
    B: [B, [batch, length, groups, stateSize]], C: [C, B.shape],
    initialState: [initialState, stateShape], resetState: [resetState, stateShape.slice(1)],
  });
  requireStatesAt(op, statesAt, x.shape);
  const { reset, mask } = readFlags(op, options, x.shape);
  const form = length === 1 ? recurrent : { fused, chunked, recurrent }[algorithm];
  return {
    B, C, D, initialState, resetState, reset, statesAt,
    clear: (each) => clearPadding(each, mask),
    scan: (inputs) => form(inputs, chunkSize),
  };
}

/** Runs a checked call, with what the state takes in, its log decays, and what D is times. */
export function runCall(call: Call, input: Tensor, logDecay: Tensor, skip: Tensor): SSDResult {
  const { D, resetState, reset, clear } = call;
  const zeroBased = scanFromZero(call, input, logDecay);
  const { y, ...states } = resetState && reset
    ? addRestarts(call, zeroBased, logDecay, reset, resetState)
    : zeroBased;
  const all = D ? y.add(skip.mul(D.ndim === 1 ? D.unsqueeze(-1) : D)) : y;
  return { y: clear(all), ...states };
}

/** The scan, in which documents begin from zero after a reset. */
function scanFromZero(call: Call, input: Tensor, logDecay: Tensor): SSDResult {
  const { B, C, initialState, reset, statesAt, clear } = call;
  const written = clear(B);
  const scanned = call.scan([
    input, logDecay, written, clear(C), initialState, ...(reset ? [reset] : []),
  ]);
  const { y, lastState, size } = scanned;
  const states = statesAt && statesAfter(statesAt, {
    starts: concat([scanned.starts(), lastState.unsqueeze(1)], 1), size,
    inputs: [input, logDecay, written], reset,
    // Nothing is read.
    run: ([x, a, b], start, resets) =>
      call.scan([x, a, b, zeros(b.shape, { dtype: b.dtype }), start, ...resets]).lastState,
  });
  return { y, lastState, ...(states && { statesAt: states }) };
}

/** Adds what is left, at each step, of the state in which the step's document began. */
function addRestarts(
  { C, statesAt, clear }: Call, scanned: SSDResult, logDecay: Tensor, reset: Tensor, start: Tensor,
): SSDResult {
  const [batch, length, groups] = C.shape;
  const [heads, headDim, stateSize] = start.shape;
  // One number for each head and step, as all of the state decays alike.
  const left = restarted(logDecay.exp(), 1, reset, statesAt);
  const ofState = (e: Tensor): Tensor => e.unsqueeze(-1).unsqueeze(-1).mul(start);
  const byGroup = start.reshape([groups, (heads / groups) * headDim, stateSize]);
  const read = einsum('blgn,gkn->blgk', clear(C), byGroup).reshape([batch, length, heads, headDim]);
  return {
    y: scanned.y.add(read.mul(left.all.unsqueeze(-1))),
    lastState: scanned.lastState.add(ofState(left.last)),
    ...(scanned.statesAt && left.at && { statesAt: scanned.statesAt.add(ofState(left.at)) }),
  };
}

/**
 * Runs the recurrence above over x [B, L, H, P], logDecay [B, L, H], B and C [B, L, G, N]: H heads
 * of P channels, and G groups of heads next to each other that share what is written and read.
 * Differentiable with respect to every tensor, from both results.
 *
 * At a log decay of 0 the state stays as it is, at −Infinity nothing of it is left; the gradient of
 * the latter is 0. Above 0 states grow, and so does rounding: a chunk computes with products of its
 * decays, so these have to be numbers of the dtype, in float32 e⁸⁸ at most.
 */
export function discreteSSD(
  x: Tensor, logDecay: Tensor, B: Tensor, C: Tensor, options: SSDOptions = {},
): SSDResult {
  const call = readCall('discreteSSD', x, B, C, options);
  requireShapes('discreteSSD', x.dtype, { logDecay: [logDecay, x.shape.slice(0, 3)] });
  const input = call.clear(x);
  return runCall(call, input, call.clear(logDecay), input);
}
