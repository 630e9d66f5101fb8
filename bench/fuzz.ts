/**
 * Damages safetensors files and reads them, 100,000 by default: each must load or be refused with
 * an error that says what is wrong. It prints how often it was which.
 *
 *     npm run -s fuzz -- --files 100000 --seed 1
 */
import { readdirSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { damage, outcomeOf, randomFrom } from './support/damage.ts';

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
});
const [count, seed] = [Number(values.files), Number(values.seed)];
const folder = new URL('../../test/golden/safetensors/', import.meta.url);
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.safetensors'))
  .map((name) => new Uint8Array(readFileSync(new URL(name, folder))));

const outcomes = new Map<string, number>();
for (let i = 0; i < count; i++) {
  try {
    const message = outcomeOf(damage(files, randomFrom(seed + i)));
    const outcome = message.replaceAll(/"(?:[^"\\]|\\.)*"|[-+.e\d]*\d|\[.*\]/g, '…');
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  } catch (error) {
    console.error(`--seed ${seed + i} --files 1:`, error);
    process.exitCode = 1;
    break;
  }
}
for (const [outcome, times] of [...outcomes].sort(([, a], [, b]) => b - a)) {
  console.log(`${String(times).padStart(9)}  ${outcome}`);
}
const done = [...outcomes.values()].reduce((sum, times) => sum + times, 0);
console.log(`${done} files from seed ${seed}, each loads or is refused by an error that says why`);
