/**
 * Writes the pictures of the documentation, docs/pictures, and removes files that are none. With
 * `--record` it first records the threads anew; the pictures that are written then are still those
 * of the earlier recording, until the sources are compiled again.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pictures } from './pictures.ts';
import { record, recordingFile } from './threadsRecorder.ts';

const folder = fileURLToPath(new URL('../../../docs/pictures', import.meta.url));

if (process.argv.includes('--record')) {
  const file = new URL('../../../scripts/pictures/src/threadsRecording.ts', import.meta.url);
  writeFileSync(file, recordingFile(await record()));
  console.log('scripts/pictures/src/threadsRecording.ts written: draw the pictures once more');
}
mkdirSync(folder, { recursive: true });
for (const file of readdirSync(folder)) {
  if (file.endsWith('.svg') && !Object.hasOwn(pictures, file.slice(0, -'.svg'.length))) {
    rmSync(join(folder, file));
  }
}
for (const [name, draw] of Object.entries(pictures)) {
  writeFileSync(join(folder, `${name}.svg`), await draw());
}
console.log(`${Object.keys(pictures).length} pictures written to docs/pictures`);
