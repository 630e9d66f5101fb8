/**
 * Whether a change of the code changes what is computed. Runs every op, scan, layer, optimizer,
 * model and example on fixed numbers, eagerly and compiled, and prints a hash of each result. It
 * uses only what packages export, so that it runs on older states of them.
 *
 *     npm run -s bench bits -- --write FILE      keeps the hashes
 *     npm run -s bench bits -- --compare FILE    says which differ from those; the exit code is 1
 *
 * `--only NAME` runs the cases whose names begin so.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Case, hashOf } from './support/bits/cases.ts';
import { exampleCases } from './support/bits/examples.ts';
import { modelCases } from './support/bits/models.ts';
import { opCases } from './support/bits/ops.ts';
import { scanCases } from './support/bits/scans.ts';

const { values: options } = parseArgs({
  options: {
    write: { type: 'string' },
    compare: { type: 'string' },
    only: { type: 'string', default: '' },
  },
});

function* allCases(): Iterable<Case> {
  yield* opCases();
  yield* scanCases();
  yield* modelCases();
  yield* exampleCases();
}

/** The hash of what a case gives; of one that throws, that it does. */
async function resultOf(compute: () => unknown): Promise<string> {
  try {
    return hashOf(await compute());
  } catch (error) {
    process.exitCode = 1;
    return `throws ${error instanceof Error ? error.message.split('\n')[0] : error}`;
  }
}

const hashes = new Map<string, string>();
for (const [name, compute] of allCases()) {
  if (!name.startsWith(options.only)) continue;
  if (hashes.has(name)) throw new Error(`bits: two cases are called '${name}'`);
  const hash = await resultOf(compute);
  hashes.set(name, hash);
  if (options.compare === undefined) console.log(`${name}: ${hash}`);
}
console.log(`${hashes.size} results: ${hashOf(hashes)}`);

if (options.write !== undefined) {
  writeFileSync(options.write, [...hashes].map(([name, hash]) => `${name}: ${hash}\n`).join(''));
}
if (options.compare !== undefined) {
  const lines = readFileSync(options.compare, 'utf8').trimEnd().split('\n');
  const before = new Map(lines.map((line): [string, string] => {
    const end = line.indexOf(': ');
    return [line.slice(0, end), line.slice(end + 2)];
  }));
  const names = [...new Set([...before.keys(), ...hashes.keys()])];
  const differing = names
    .filter((name) => name.startsWith(options.only) && before.get(name) !== hashes.get(name))
    .map((name) =>
      `${name}: ${before.get(name) ?? 'not there'} → ${hashes.get(name) ?? 'not there'}`,
    );
  console.log([`${differing.length} of them differ`, ...differing].join('\n'));
  if (differing.length > 0) process.exitCode = 1;
}
