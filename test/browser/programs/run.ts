/** Runs programs outside of a browser, in order: `node run.js '[["train", {}], ["load"]]'`. */
import { runProgram } from './programs.ts';

const { process } = globalThis as unknown as { process: { readonly argv: readonly string[] } };
const calls = JSON.parse(process.argv[2]) as readonly (readonly [name: string, options?: object])[];
const results: unknown[] = [];
for (const [name, options] of calls) results.push(await runProgram(name, options));
console.log(JSON.stringify(results));
