/** Runs the code of every page of the documentation, and holds it to what it says it prints. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'vitest';
import { checkPage } from './support/page.ts';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const docs = existsSync(at('../docs')) ? readdirSync(at('../docs'), { recursive: true }) : [];
const packages = readdirSync(at('../packages')).map((name) => `packages/${name}/README.md`);
const pages = [
  'README.md', ...packages.filter((page) => existsSync(at(`../${page}`))),
  ...docs.map((file) => `docs/${String(file).replaceAll('\\', '/')}`).sort(),
].filter((page) => page.endsWith('.md'));

test.each(pages)('%s', (name) =>
  checkPage(name, readFileSync(at(`../${name}`), 'utf8'), at(`generated/${name}.ts`)),
);
