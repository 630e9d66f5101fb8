/**
 * The page that answers for addresses at which there is none. It says what was asked for, and
 * searches for the words of the address.
 *
 * It lies at 404.html, where many hosts of static files look for it, and is shown at any address.
 * Links that begin in its own folder would lead astray there, so a server makes them absolute.
 */
import { html } from './html.ts';
import { type Sheet, siteMenu } from './layout.ts';
import type { Part } from './outline.ts';

/** Where the page lies. */
export const MISSING = '404.html';

/** The page, before it is laid out. */
export function missingSheet(parts: readonly Part[]): Sheet {
  const body = html`<h1>There is no such page</h1>
<p>Nothing is at <code id="asked">this address</code>. The page may have another name now:
<span class="scripted">the search above looks for its words, and</span> the contents of the site
list all pages. Or begin at the <a href="index.html">overview</a>.</p>`;
  return {
    address: MISSING, title: 'There is no such page', body, sections: [],
    menu: siteMenu(parts, MISSING), scripts: ['missing.js'],
  };
}

/** The page as it is shown at any address of a site that begins at `/`. */
export function atAnyAddress(page: string): string {
  return page.replaceAll(/ (href|src|data-root)="(?![#/]|[\w.+-]+:)/g, ' $1="/');
}
