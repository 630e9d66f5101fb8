/**
 * Code as HTML, coloured: each token that is not plain text becomes `<b class="k">const</b>`. Of
 * the element only the class matters; it is `b` because that is short, and means nothing more than
 * that a piece of text is set apart.
 */
import { type TokenKind, tokensOf } from '../../bundle/tokens.ts';

/** The class of each kind of token that is coloured. */
const classes: Partial<Readonly<Record<TokenKind, string>>> = {
  comment: 'c', keyword: 'k', number: 'n', regExp: 's', string: 's', template: 's',
};

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;',
};

/** A text as it stands in HTML, between tags or in an attribute. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => escapes[character]);
}

/**
 * TypeScript or JavaScript as HTML. No element goes over the end of a line, so that the HTML can be
 * cut into lines.
 */
export function highlight(code: string): string {
  return tokensOf(code).map(({ kind, text }) => {
    const name = classes[kind];
    if (name === undefined) return escapeHtml(text);
    const lines = text.split('\n').map(escapeHtml);
    return lines.map((line) => (line === '' ? '' : `<b class="${name}">${line}</b>`)).join('\n');
  }).join('');
}
