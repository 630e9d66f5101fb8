// Selective copying, the task with which the paper of Mamba opens: tokens stand at random places
// among noise, and are to be written out in order at the end.
import {
  AdamW, compile, crossEntropy, MambaLM, manualSeed, noGrad, selectiveCopying,
} from 'mambagrad';
import { draw } from 'playground';

const [tokens, places, vocabSize, steps] = [4, 16, 8, 1000];

manualSeed(1);
const model = new MambaLM({ vocabSize, hiddenSize: 32, stateSize: 8, numLayers: 1 });
const optimizer = new AdamW(model.parameters(), { lr: 0.01 });

/** The logits of the answers, which are asked for after the last place. */
const answer = (inputs) => model.forward(inputs).narrow(1, places, tokens);

const step = compile((inputs, targets) => {
  const loss = crossEntropy(answer(inputs), targets);
  optimizer.minimize(loss);
  return loss;
});

const sample = () => selectiveCopying(16, { tokens, places, vocabSize });
console.log(`${model.parameterCount()} parameters`);
for (let i = 1; i <= steps; i++) {
  optimizer.lr = 0.01 * (1 - i / steps);
  const { inputs, targets } = sample();
  const loss = step(inputs, targets).item();
  draw('loss', loss);
  if (i % 100 === 0) console.log(`step ${i}: loss ${loss.toFixed(3)}`);
}

// On sequences that it has not seen.
const { inputs, targets } = selectiveCopying(100, { tokens, places, vocabSize });
const written = noGrad(() => answer(inputs)).argmax(-1);
const right = written.equal(targets).sum().item() / targets.numel;
console.log(`${(100 * right).toFixed(1)} % of the tokens are right`);
console.log(
  'to copy', targets.narrow(0, 0, 1).toArray(), 'written', written.narrow(0, 0, 1).toArray(),
);
