/** Hints, one after the other: which ones were given is kept in a file of the cache. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Exercise } from '../checks/check.ts';
import { wrapped } from '../checks/report.ts';

/** How many hints were given of each exercise, by its name. */
type Given = Record<string, number>;

function readGiven(file: string): Given {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) as Given : {};
}

/**
 * Hint number n, from 1; without a number the one after the last that was given. Throws if there
 * are fewer.
 */
export function nextHint({ name, hints }: Exercise<never>, file: string, n?: number): string {
  if (n !== undefined && n > hints.length) {
    throw new Error(`--hint ${n}: there are ${hints.length} hints for ${name}`);
  }
  const given = readGiven(file);
  const number = Math.min(n ?? (given[name] ?? 0) + 1, hints.length);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify({ ...given, [name]: number }));
  const next = number < hints.length
    ? 'Ask again for the next one.'
    : `This was the last one. A solution is in exercises/solutions/${name}.ts.`;
  return [
    `Hint ${number} of ${hints.length} for ${name}:`, '',
    ...wrapped(hints[number - 1]).map((line) => `  ${line}`), '', next,
  ].join('\n');
}
