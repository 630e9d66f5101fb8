/**
 * The scripts of the pages. They are written as modules (`site/`), and put into one classic script
 * each, because a page that was opened as a file may not load modules.
 */
import { join } from 'node:path/posix';
import { Bundler, prelude } from '../../bundle/bundle.ts';
import { root } from './files.ts';

/** A script that runs a file of `site/`, and all that it imports. */
export function siteScript(name: string): string {
  const bundler = new Bundler({ root, find: () => undefined });
  const code = bundler.add([join(root, 'dist/book/site', `${name}.js`)]);
  return `(() => {\n${prelude}${code}})();\n`;
}
