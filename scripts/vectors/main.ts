/**
 * Writes golden vectors of the scans as JSON: `npm run vectors`, into vectors/ or a folder given.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { scanVectors } from '@mambagrad/mamba/testing';
import { formatVectors } from './format.ts';

const [given] = process.argv.slice(2);
const folder = given ?? fileURLToPath(new URL('../../../vectors/', import.meta.url));

mkdirSync(folder, { recursive: true });
for (const vectors of await scanVectors()) {
  const path = join(folder, `${vectors.file}.json`);
  writeFileSync(path, formatVectors(vectors));
  console.log(`${path}: ${vectors.cases.length} calls`);
}
