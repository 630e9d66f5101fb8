/**
 * State space duality, the heart of Mamba-2 (Dao and Gu, "Transformers are SSMs" (2024)). All
 * numbers of a head's state decay alike, by one scalar a step:
 *
 *     h_t = α_t h_{t−1} + Δ_t x_t B_tᵀ,     y_t = h_t C_t + D x_t,     α_t = exp(Δ_t A)
 *
 * with h_t of P rows, one for each channel of the head, and N columns. Written out, the y of all
 * steps are one product of matrices, M·(Δx), as in attention (section 3):
 *
 *     M_ts = (C_t · B_s) · α_{s+1} ⋯ α_t   for s ≤ t, and 0 above the diagonal
 *
 * M costs L² and the recurrence is no matrix product, so the sequence is cut into chunks: within
 * each the matrix, from one to the next the recurrence (section 6).
 *
 * Δ and A make a decay and an input of each step, which is the discretisation; the rest is the scan
 * of discrete.ts. At padding Δ_t is 0, so that the state stays.
 */
import type { Tensor } from '@mambagrad/tensor';
import { requireShapes } from '../../sequence/sequence.ts';
import type { SSDResult } from './composed.ts';
import { readCall, runCall, type SSDOptions } from './discrete.ts';

/**
 * Runs the recurrence above over x [B, L, H, P], dt (Δ, positive) [B, L, H], A [H] (negative), B
 * and C [B, L, G, N]: H heads of P channels, and G groups of heads next to each other that share
 * what is written and read. Differentiable with respect to every tensor, from both results.
 */
export function ssd(
  x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, options: SSDOptions = {},
): SSDResult {
  const call = readCall('ssd', x, B, C, options);
  requireShapes('ssd', x.dtype, { dt: [dt, x.shape.slice(0, 3)], A: [A, [x.shape[2]]] });
  const [input, duration] = [x, dt].map(call.clear);
  return runCall(call, input.mul(duration.unsqueeze(-1)), duration.mul(A), input);
}
