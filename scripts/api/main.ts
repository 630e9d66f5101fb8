/** Writes the API reference into docs/api: `npm run api`. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path/posix';
import { root } from './packages.ts';
import { apiPages } from './page.ts';

const folder = join(root, 'docs/api');
const pages = apiPages();

mkdirSync(folder, { recursive: true });
for (const file of readdirSync(folder)) if (!pages.has(file)) rmSync(join(folder, file));
for (const [file, text] of pages) writeFileSync(join(folder, file), text);
console.log(`docs/api: ${pages.size} pages`);
