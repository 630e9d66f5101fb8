/**
 * HTML that cannot be broken by the text in it. A template escapes every string that is put into
 * it, and takes as it is only what was made by a template itself:
 *
 *     html`<p>${'a < b'} ${html`<b>${'&'}</b>`}</p>`   →   <p>a &lt; b <b>&amp;</b></p>
 *
 * So text is shown as text wherever it comes from, and no file but this one escapes anything.
 */

/** A piece of HTML: what a template made. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

/** Something that a template takes; undefined and false leave nothing. */
export type Part = string | number | Html | undefined | false | readonly Part[];

/** HTML from a template. Attributes have to stand in double quotes. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  let text = strings[0];
  for (let i = 0; i < parts.length; i++) text += textOf(parts[i]) + strings[i + 1];
  return new Html(text);
}

function textOf(part: Part): string {
  if (part === undefined || part === false) return '';
  if (part instanceof Html) return part.text;
  if (typeof part === 'object') return part.map(textOf).join('');
  return escapeHtml(String(part));
}

/** An element whose name is not known in advance. */
export function element(name: ElementName, attributes: Html | '', inside: Part): Html {
  return new Html(`<${name}${textOf(attributes)}>${textOf(inside)}</${name}>`);
}

type ElementName = 'td' | 'th' | `h${1 | 2 | 3 | 4 | 5 | 6}`;

/** Several parts as one, with something between them. */
export function joined(parts: readonly Part[], between = ''): Html {
  return new Html(parts.map(textOf).join(between));
}

const special = /[&<>"']/;
const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;',
};

/** A text as it stands in HTML, between tags or in an attribute. */
export function escapeHtml(text: string): string {
  // Most pieces of text need nothing.
  if (!special.test(text)) return text;
  return text.replaceAll(/[&<>"']/g, (character) => escapes[character]);
}

/** A value as JSON that can stand in a script element: no `<` can end or begin one. */
export function jsonInScript(value: unknown): Html {
  return new Html(JSON.stringify(value).replaceAll('<', '\\u003c'));
}
