/**
 * Code as HTML, coloured: each token that is not plain text becomes `<b class="k">const</b>`. Of
 * the element only the class matters; it is `b` because that is short, and means nothing more than
 * that a piece of text is set apart.
 */
import { html, type Html, joined } from './html.ts';
import { tokenClasses, tokensOf } from '../../bundle/tokens.ts';

/** The address to which a string of a source leads, such as the file of an import. */
export type LinkString = (text: string) => string | undefined;

/**
 * TypeScript or JavaScript as HTML. No element goes over the end of a line, so that the HTML can be
 * cut into lines.
 */
export function highlight(code: string, link: LinkString = () => undefined): Html {
  const parts: (Html | string)[] = [];
  let plain = '';
  for (const { kind, text } of tokensOf(code)) {
    const name = tokenClasses[kind];
    if (name === undefined) plain += text;
    else {
      const target = kind === 'string' ? link(text.slice(1, -1)) : undefined;
      parts.push(plain, linked(text, name, target));
      plain = '';
    }
  }
  return joined([...parts, plain]);
}

function linked(text: string, name: string, target: string | undefined): Html {
  const lines = text.split('\n').map((line) => line && html`<b class="${name}">${line}</b>`);
  const coloured = joined(lines, '\n');
  return target === undefined ? coloured : html`<a href="${target}">${coloured}</a>`;
}
