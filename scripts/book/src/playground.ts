/** The playground: an editor and a console, with some programs to start from. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path/posix';
import { root } from './files.ts';
import { html, jsonInScript } from './html.ts';
import { type Sheet, siteMenu } from './layout.ts';
import type { Part } from './outline.ts';

/** Programs to start from: the names of their files, in `scripts/book/playground`, and titles. */
const titles = {
  line: 'Fit a line', copying: 'Train on selective copying', names: 'Write names',
  scans: 'Compare the scans', kernels: 'Look at kernels',
} as const;

/** A program to start from. */
export interface StartProgram {
  readonly name: string;
  readonly title: string;
  readonly code: string;
}

/** The programs, in the order in which they are listed. */
export function startPrograms(): StartProgram[] {
  return Object.entries(titles).map(([name, title]) => {
    const code = readFileSync(join(root, 'scripts/book/playground', `${name}.js`), 'utf8');
    return { name, title, code };
  });
}

/** The page of the playground. */
export function playgroundSheet(parts: readonly Part[]): Sheet {
  const address = 'playground.html';
  const programs = jsonInScript(startPrograms());
  const body = html`<h1>Playground</h1>
<p>Change the program, and run it. The packages are loaded; <code>draw(name, value)</code> of the
module <code>playground</code> adds a point to a curve. The code runs in this browser, and nothing
is sent anywhere. <em>Share</em> makes a link that holds the code itself.</p>
<noscript><p>The playground needs JavaScript.</p></noscript>
<div id="playground"></div>`;
  return {
    address, title: 'Playground', body, sections: [], menu: siteMenu(parts, address),
    description: 'An editor and a console for mambagrad, in the browser.',
    scripts: ['playground.js'],
    data: html`<script type="application/json" id="programs">${programs}</script>\n`,
  };
}
