// Fits a line: y = 2x + 1 is found from points that are a little off.
import { AdamW, compile, Linear, manualSeed, mseLoss, normal, tensor } from 'mambagrad';
import { draw } from 'playground';

manualSeed(1);
const points = Array.from({ length: 50 }, (_, i) => [i / 25 - 1]);
const x = tensor(points);
const y = x.mul(2).add(1).add(normal([50, 1]).mul(0.1));

const model = new Linear(1, 1);
const optimizer = new AdamW(model.parameters(), { lr: 0.05, weightDecay: 0 });

// One step: the gradients of the loss, then the update. The first call compiles it.
const step = compile((inputs, targets) => {
  const loss = mseLoss(model.forward(inputs), targets);
  optimizer.minimize(loss);
  return loss;
});

for (let i = 0; i < 200; i++) draw('loss', step(x, y).item());

console.log('slope', model.weight.item().toFixed(2), 'intercept', model.bias.item().toFixed(2));
