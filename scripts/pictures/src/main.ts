/** Writes the pictures of the documentation, docs/pictures, and removes files that are none. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pictures } from './pictures.ts';

const folder = fileURLToPath(new URL('../../../docs/pictures', import.meta.url));

mkdirSync(folder, { recursive: true });
for (const file of readdirSync(folder)) {
  if (file.endsWith('.svg') && !Object.hasOwn(pictures, file.slice(0, -'.svg'.length))) {
    rmSync(join(folder, file));
  }
}
for (const [name, draw] of Object.entries(pictures)) {
  writeFileSync(join(folder, `${name}.svg`), draw());
}
console.log(`${Object.keys(pictures).length} pictures written to docs/pictures`);
