/** What a browser is given: no files. It trains, and prints what the model says. */
import { answers, languageModel, trained } from './model.js';

languageModel();
console.log(answers(trained()));
