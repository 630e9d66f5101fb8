/** What the programs share: a small model, its training, and what it says. */
import {
  AdamW, compile, grad, Linear, manualSeed, MambaLM, Module, mseLoss, selectiveCopying, tensor,
  type Tensor,
} from 'mambagrad';

export class Curve extends Module {
  readonly hidden = new Linear(1, 16);
  readonly output = new Linear(16, 1);

  forward(x: Tensor): Tensor {
    return this.output.forward(this.hidden.forward(x).tanh());
  }
}

const points = Array.from({ length: 60 }, (_, i) => i / 10 - 3);

/** Fits a sine, compiled with the bits that are the same on all engines; throws if it fails. */
export function trained(): Curve {
  manualSeed(1);
  const model = new Curve();
  const optimizer = new AdamW(model.parameters(), { lr: 0.02 });
  const x = tensor(points.map((each) => [each]));
  const y = tensor(points.map((each) => [Math.round(Math.sin(each) * 1000) / 1000]));
  const step = compile((inputs: Tensor, targets: Tensor) => {
    const loss = mseLoss(model.forward(inputs), targets);
    optimizer.minimize(loss);
    return loss;
  }, { deterministic: true });
  let loss = NaN;
  for (let i = 0; i < 300; i++) loss = step(x, y).item();
  if (!(loss < 0.01)) throw new Error(`the loss is ${loss}, expected less than 0.01`);
  return model;
}

/** The bits of what the model says for three numbers. */
export function answers(model: Curve): string {
  model.eval();
  const predict = compile((x: Tensor) => model.forward(x), { deterministic: true });
  const { data } = predict(tensor([[-1], [0.25], [2]]));
  return Array.from(new Uint32Array(Float32Array.from(data).buffer), (bits) => bits.toString(16))
    .join(' ');
}

/** A step of a language model, and the types that a project with all checks needs. */
export function languageModel(): number {
  const model = new MambaLM({ vocabSize: 8, hiddenSize: 16, stateSize: 8, numLayers: 1 });
  const { inputs, targets } = selectiveCopying(2, { tokens: 2, places: 8 });
  const [batch, length] = targets.shape;
  const logits = model.forward(inputs).narrow(1, 8, length);
  const [gx] = grad(logits.sum(), [model.embedding.weight]);
  const [first, second] = gx.chunk(2);
  return batch * first.add(second).numel;
}
