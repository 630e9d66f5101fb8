/**
 * HTML and SVG as text. Names, samples and titles come from programs and files, and may hold
 * anything; so markup is made by these functions alone, and whatever is text is escaped in one of
 * them. Content that is given to `element` is markup already. The pictures of the documentation and
 * of the examples are made by these functions, too, which have the name `#markup` in this
 * repository.
 */

/** A piece of markup, which was made by the functions of this file. */
export type Markup = string & { readonly isMarkup: true };

/** Attributes by name; those that are undefined or false are left out, true has no value. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Characters that mean something in content, or in attributes, which stand in double quotes. */
const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;',
};

/** Characters that no document may hold: control characters, and halves of surrogate pairs. */
const FORBIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]|\p{Surrogate}/gu;

/** Text as markup: what it shows is what it says. */
export function text(content: string): Markup {
  const clean = content.replace(FORBIDDEN, '\ufffd');
  return clean.replace(/[&<>"]/g, (character) => ENTITIES[character]) as Markup;
}

/** An element with attributes, which are escaped, around content. */
export function element(
  name: string, attributes: Attributes, ...content: readonly Markup[]
): Markup {
  const given = Object.entries(attributes).map(([key, value]) => {
    if (value === undefined || value === false) return '';
    return value === true ? ` ${key}=""` : ` ${key}="${text(shorten(value))}"`;
  });
  const start = `<${name}${given.join('')}`;
  if (content.length === 0 && isEmptyElement.has(name)) return `${start}/>` as Markup;
  return `${start}>${content.join('')}</${name}>` as Markup;
}

/** Elements that are written without an end. */
const isEmptyElement: ReadonlySet<string> = new Set([
  'circle', 'input', 'line', 'meta', 'path', 'polyline', 'rect',
]);

/** A coordinate with at most one decimal, so that files stay small. */
export function shorten(value: string | number): string {
  return typeof value === 'string' ? value : String(Math.round(10 * value) / 10);
}

/** Pieces of markup one after the other. */
export function join(pieces: readonly Markup[], between = ''): Markup {
  return pieces.join(between) as Markup;
}
