/** Loads what train.ts has saved, and prints what the model says. */
import { loadSafetensors } from 'mambagrad/node';
import { answers, Curve } from './model.js';

const model = new Curve();
model.loadStateDict(loadSafetensors('curve.safetensors'));
console.log(answers(model));
