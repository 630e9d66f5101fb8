/** Trains, saves, and prints what the model says. */
import { saveSafetensors } from 'mambagrad/node';
import { answers, languageModel, trained } from './model.js';

const model = trained();
saveSafetensors('curve.safetensors', model.stateDict());
languageModel();
console.log(answers(model));
