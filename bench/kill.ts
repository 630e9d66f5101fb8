/**
 * Kills a training process at random moments, a hundred times. Each of its checkpoints must load,
 * and the last must be, byte for byte, that of a process that nobody has killed.
 *
 *     npm run -s bench -- kill --kills 100 --seed 1
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { randomFrom } from './support/damage.ts';
import { surviveKills } from './support/kill.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'mambagrad-'));
try {
  const random = randomFrom(Number(values.seed));
  const { steps, cut, isSame } = await surviveKills(folder, Number(values.kills), random);
  console.log(
    `${steps} steps, killed ${values.kills} times (seed ${values.seed}), ${cut} times while a ` +
      'checkpoint was being written; every checkpoint loads',
  );
  console.log(`the last is ${isSame ? 'the same, byte for byte, as' : 'ANOTHER than'} without`);
  if (!isSame) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
