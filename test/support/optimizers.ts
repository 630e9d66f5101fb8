/** Optimizers to test, each made of what it trains. */
import {
  Adam, AdamW, Lion, type Optimizer, RMSprop, SGD, type Trained,
} from '@mambagrad/nn';

/** Makes an optimizer of what it trains, and options. */
export type Make = (trained: Trained, options: object) => Optimizer;

/** The optimizers, by the names of the golden runs. */
export const optimizers: Readonly<Record<string, Make>> = {
  sgd: (trained, options) => new SGD(trained, options),
  adam: (trained, options) => new Adam(trained, options),
  adamw: (trained, options) => new AdamW(trained, options),
  rmsprop: (trained, options) => new RMSprop(trained, options),
  lion: (trained, options) => new Lion(trained, options),
};

/** Every kind of state that an optimizer can have. */
export const kinds: readonly (readonly [string, (trained: Trained) => Optimizer])[] = [
  ['SGD', (trained) => new SGD(trained, { lr: 0.1, weightDecay: 0.1 })],
  ['SGD with momentum', (trained) => new SGD(trained, { lr: 0.1, momentum: 0.9, dampening: 0.3 })],
  ['SGD after Nesterov', (trained) => new SGD(trained, { momentum: 0.9, nesterov: true })],
  ['Adam', (trained) => new Adam(trained, { lr: 0.1, weightDecay: 0.1 })],
  ['AdamW', (trained) => new AdamW(trained, { lr: 0.1, betas: [0, 0.5] })],
  ['RMSprop', (trained) => new RMSprop(trained, { lr: 0.1, alpha: 0.9, weightDecay: 0.1 })],
  ['centered RMSprop with momentum', (trained) => new RMSprop(trained, {
    centered: true, momentum: 0.5, eps: 0.1,
  })],
  ['Lion', (trained) => new Lion(trained, { lr: 0.1, weightDecay: 0.1 })],
];
