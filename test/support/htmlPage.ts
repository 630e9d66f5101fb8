/**
 * A strict reader of HTML. Every tag and attribute has to be on a list, every element has to be
 * closed where it should be, and text holds no character that a browser might take for a tag.
 */

/** An element. */
export class Tag {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  /** The pieces of text of the page, and which of them are in the element. */
  readonly #pieces: readonly string[];
  readonly #start: number;
  #end: number;

  constructor(name: string, attributes: ReadonlyMap<string, string>, pieces: readonly string[]) {
    this.name = name;
    this.attributes = attributes;
    this.#pieces = pieces;
    this.#start = this.#end = pieces.length;
  }

  end(): this {
    this.#end = this.#pieces.length;
    return this;
  }

  /** The text in the element and in those inside it. */
  get text(): string {
    return this.#pieces.slice(this.#start, this.#end).join('');
  }
}

const voids = new Set(['br', 'img', 'input', 'link', 'meta', 'wbr']);

const global = ['id', 'class', 'hidden', 'tabindex', 'popover', 'role'];

/** The attributes that each element may have besides those that all may have, and `aria-…`. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  a: ['href', 'rel'], article: [], b: [], body: ['data-root'], br: [],
  button: ['popovertarget', 'type'], circle: ['cx', 'cy', 'r'], code: [], details: [], div: [],
  em: [],
  figure: ['data-block'], h1: [], h2: [], h3: [], h4: [], h5: [], h6: [], head: [], header: [],
  html: ['lang'], img: ['src', 'alt'],
  input: ['type', 'placeholder', 'autocomplete', 'spellcheck'], kbd: [], li: [],
  link: ['rel', 'href'], main: [], meta: ['charset', 'name', 'content', 'http-equiv'], nav: [],
  noscript: [], ol: ['start'], p: [], path: ['d'], pre: [], script: ['src', 'defer', 'type'],
  search: [], span: [], strong: [], summary: [], svg: ['viewBox'], table: [], tbody: [], td: [],
  th: ['scope'],
  thead: [], title: [], tr: [], ul: [], wbr: [],
};

const entities: Readonly<Record<string, string>> = {
  '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'",
};

/** Text as a reader sees it. Throws if a character in it should have been escaped. */
export function unescapeHtml(text: string): string {
  if (/[<>]/.test(text)) throw new Error(`unescaped: ${text.slice(0, 80)}`);
  return text.replaceAll(/&[^\s;&]*;?/g, (entity) => {
    if (!Object.hasOwn(entities, entity)) throw new Error(`no entity: ${entity}`);
    return entities[entity];
  });
}

/** The elements of a page or of a piece of one, in the order of their ends. */
export function tagsOf(html: string): Tag[] {
  const found: Tag[] = [];
  const open: Tag[] = [];
  const pieces: string[] = [];
  const rest = html.replace(/^<!doctype html>\n/, '');
  let end = 0;
  const addText = (to: number): void => {
    const isScript = open.at(-1)?.name === 'script';
    pieces.push(isScript ? rest.slice(end, to) : unescapeHtml(rest.slice(end, to)));
  };
  for (const match of rest.matchAll(
    /<(\/?)([a-z][a-z0-9]*)((?:\s+[^\s"'<>=]+(?:="[^"<>]*")?)*)\s*(\/?)>/g,
  )) {
    const [all, isEnd, name, given, isClosed] = match;
    if (open.at(-1)?.name === 'script' && !(isEnd !== '' && name === 'script')) continue;
    addText(match.index);
    end = match.index + all.length;
    if (isEnd !== '') {
      const element = open.pop();
      if (element?.name !== name) throw new Error(`</${name}> ends <${element?.name}>`);
      found.push(element.end());
      continue;
    }
    const element = new Tag(name, attributesOf(name, given), pieces);
    if (voids.has(name) || isClosed !== '') found.push(element);
    else open.push(element);
  }
  addText(rest.length);
  if (open.length > 0) throw new Error(`<${open.at(-1)?.name}> is not closed`);
  return found;
}

function attributesOf(name: string, text: string): Map<string, string> {
  if (!Object.hasOwn(allowed, name)) throw new Error(`<${name}> is not allowed`);
  const attributes = new Map<string, string>();
  for (const [, key, value = ''] of text.matchAll(/([^\s"'<>=]+)(?:="([^"<>]*)")?/g)) {
    const isAllowed = key.startsWith('aria-') ||
      global.includes(key) || allowed[name].includes(key);
    if (!isAllowed) throw new Error(`${key} of <${name}> is not allowed`);
    if (attributes.has(key)) throw new Error(`${key} of <${name}> appears twice`);
    attributes.set(key, unescapeHtml(value));
  }
  const address = attributes.get('href') ?? attributes.get('src') ?? '';
  // As browsers read it: with controls and spaces left out.
  if (
    /^[^/?#.]*:/.test(address.replaceAll(/[\u0000-\u0020]/g, '')) && !/^https?:\/\//.test(address)
  ) {
    throw new Error(`the address ${address} of <${name}> is not allowed`);
  }
  return attributes;
}
