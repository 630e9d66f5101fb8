/**
 * Makes the decay rates of a Mamba-3 sharper. With decay 'softplus' the rate −A of a step is
 * softplus(x), with x a projection of the step. Multiplying the weights of x makes rates that are
 * small much smaller and large ones a little larger: softplus(−1) is 0.3, softplus(−8) is 3e-4.
 */
import { Mamba3Block, type MambaLM } from '@mambagrad/mamba';
import { tensor } from '@mambagrad/tensor';

/** Multiplies the weights of the decay rates in all blocks of a model. */
export function sharpenDecay(model: MambaLM, factor: number): void {
  for (const { mixer } of model.layers) {
    if (!(mixer instanceof Mamba3Block)) continue;
    const { weight } = mixer.inProj;
    const [rows] = weight.shape;
    // The last rows are those of Δ, A and λ, one for each head, and of the angles.
    const [[heads], angles] = [mixer.dtBias.shape, mixer.stateShapes(1).theta[2]];
    const start = rows - 2 * heads - angles;
    const factors = Array.from({ length: rows }, (_, row) =>
      row >= start && row < start + heads ? factor : 1);
    weight.assign(weight.detach().mul(tensor(factors, { shape: [rows, 1] })));
  }
}
