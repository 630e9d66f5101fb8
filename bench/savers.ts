/**
 * Two processes save checkpoints to one folder for a minute, and are killed at random moments. No
 * save may fail, every checkpoint must be whole at any time, and nothing half written may stay.
 *
 *     npm run -s bench -- savers --seconds 60 --savers 2 --seed 1
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { randomFrom } from './support/damage.ts';
import { saveBeside } from './support/savers.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    savers: { type: 'string', default: '2' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'mambagrad-'));
try {
  const [count, duration] = [Number(values.savers), 1000 * Number(values.seconds)];
  const random = randomFrom(Number(values.seed));
  const { saves, kills, loads, leftOver } = await saveBeside(folder, count, duration, random);
  console.log(
    `${count} processes saved ${saves} times and were killed ${kills} times (seed ` +
      `${values.seed}); no save failed, and the folder was whole each of the ${loads} times that ` +
      `it was looked at; ${leftOver} half written files were left at the end`,
  );
  if (leftOver > 0) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
