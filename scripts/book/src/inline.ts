/**
 * The text of a paragraph, a heading or a cell: code, emphasis, links and images in it.
 *
 *     See *the* [`Tensor`](tensor.md)   →   'See ', emphasis ('the'), ' ', link (code 'Tensor')
 *
 * This is the part of Markdown that the pages use. Of HTML they use `<code>`, `<a href>` and
 * `<br>`, where the reference shows types with links in them; any other tag is text, and so is a
 * link to anything but a file, an anchor or a page of the web. Markdown that is not known is an
 * error.
 */

/** A piece of text. */
export type Inline =
  | string
  | { readonly kind: 'code' | 'emphasis' | 'strong'; readonly children: readonly Inline[] }
  | { readonly kind: 'link'; readonly target: string; readonly children: readonly Inline[] }
  | { readonly kind: 'image'; readonly target: string; readonly alt: string }
  | { readonly kind: 'break' };

/** Throws an error that names the place in the text at which something is wrong. */
export type FailAt = (position: number, message: string) => never;

/** Targets that links may have: files beside the page, anchors, pages of the web. */
const allowedTarget =
  /^(?:https?:\/\/[^\s\\]+|#[^\s\\]+|(?:\.{1,2}\/|[\w.-]+(?=[/#]|$))[^\s\\:]*)$/;

/** The text that a reader sees. */
export function plainText(inlines: readonly Inline[]): string {
  return inlines.map((inline) => {
    if (typeof inline === 'string') return inline;
    if (inline.kind === 'image') return inline.alt;
    return inline.kind === 'break' ? ' ' : plainText(inline.children);
  }).join('');
}

/** Reads a text. */
export function parseInline(text: string, fail: FailAt): Inline[] {
  return new InlineParser(text, fail).parse(0, text.length);
}

/** An address of the web in a text, without the punctuation behind it. */
const address = /\bhttps?:\/\/[^\s<>()[\]`*"'\\]*[^\s<>()[\]`*"'\\.,;:!?]/y;

/** What begins with a character, from there to `end`; undefined if the character is only text. */
type Found = { readonly inline: Inline; readonly end: number } | undefined;

const entities: Readonly<Record<string, string>> = {
  amp: '&', lt: '<', gt: '>', quot: '"', nbsp: '\u00a0',
};

class InlineParser {
  readonly #text: string;
  readonly #fail: FailAt;

  constructor(text: string, fail: FailAt) {
    this.#text = text;
    this.#fail = fail;
  }

  parse(start: number, end: number): Inline[] {
    const found: Inline[] = [];
    let plain = '';
    for (let i = start; i < end;) {
      const next = this.#at(i, end);
      if (next === undefined) plain += this.#text[i++];
      else if (typeof next.inline === 'string') [plain, i] = [plain + next.inline, next.end];
      else {
        if (plain !== '') found.push(plain);
        found.push(next.inline);
        [plain, i] = ['', next.end];
      }
    }
    return plain === '' ? found : [...found, plain];
  }

  #at(start: number, end: number): Found {
    switch (this.#text[start]) {
      case '\\': return this.#escape(start);
      case '`': return this.#code(start, end);
      case '!': return this.#image(start, end);
      case '[': return this.#link(start, end);
      case '*': return this.#emphasis(start, end);
      case '<': return this.#tag(start, end);
      case '&': return this.#entity(start);
      case 'h': return this.#address(start, end);
      default: return this.#unknown(start);
    }
  }

  #match(pattern: RegExp, start: number): RegExpExecArray | undefined {
    pattern.lastIndex = start;
    return pattern.exec(this.#text) ?? undefined;
  }

  #escape(start: number): Found {
    const [all, inline] = this.#match(/\\([!-/:-@[-`{-~])/y, start) ?? [];
    return all === undefined ? undefined : { inline, end: start + all.length };
  }

  #entity(start: number): Found {
    const [all, name] = this.#match(/&(#?\w+);/y, start) ?? [];
    if (all === undefined) return undefined;
    if (!Object.hasOwn(entities, name)) {
      this.#fail(start, `the entity ${all} is not known: write the character itself`);
    }
    return { inline: entities[name], end: start + all.length };
  }

  /** Code ends at as many backquotes as it begins with. */
  #code(start: number, end: number): Found {
    const [fence] = this.#match(/`+/y, start) ?? [''];
    const closing = new RegExp(`(?<!\`)${fence}(?!\`)`, 'g');
    const at = this.#match(closing, start + fence.length)?.index;
    if (at === undefined || at >= end) this.#fail(start, `the code after ${fence} has no end`);
    const code = this.#text.slice(start + fence.length, at).replaceAll('\n', ' ');
    // A space on both sides keeps backquotes at the ends of code apart from the fences.
    const isPadded = /^ .*\S.* $/.test(code);
    const children = [isPadded ? code.slice(1, -1) : code];
    return { inline: { kind: 'code', children }, end: at + fence.length };
  }

  #image(start: number, end: number): Found {
    if (this.#text[start + 1] !== '[') return undefined;
    const link = this.#link(start + 1, end);
    if (typeof link?.inline !== 'object' || link.inline.kind !== 'link') return undefined;
    const alt = plainText(link.inline.children);
    if (alt.trim() === '') this.#fail(start, 'the image has no text: write ![what it shows](…)');
    return { inline: { kind: 'image', target: link.inline.target, alt }, end: link.end };
  }

  /** `[text](target)`; in the text, brackets come in pairs. */
  #link(start: number, end: number): Found {
    const close = this.#closing(start, end);
    if (close === undefined) return undefined;
    const after = this.#match(/\]\(([^\s()]*(?:\([^\s()]*\)[^\s()]*)*)(.?)/ys, close);
    if (after === undefined) {
      if (this.#match(/\]\[\w/y, close)) this.#fail(start, 'write the target of a link behind it');
      if (this.#text[start + 1] === '^') this.#fail(start, 'footnotes are not known');
      return undefined;
    }
    const [all, target, last] = after;
    if (last !== ')') {
      const rule = 'it may hold no space, and no title';
      this.#fail(close + 2, `the target of the link has no end: ${rule}`);
    }
    if (!allowedTarget.test(target)) return undefined;
    const inline: Inline = { kind: 'link', target, children: this.parse(start + 1, close) };
    return { inline, end: close + all.length };
  }

  /** Where the bracket closes that opens at `start`, code left out. */
  #closing(start: number, end: number): number | undefined {
    let depth = 0;
    for (let i = start; i < end; i++) {
      const character = this.#text[i];
      if (character === '`') i = (this.#code(i, end)?.end ?? i) - 1;
      else if (character === '\\') i++;
      else if (character === '[') depth++;
      else if (character === ']' && --depth === 0) return i;
    }
    return undefined;
  }

  /** `*emphasis*` or `**strong**`; a star before a space is only a star. */
  #emphasis(start: number, end: number): Found {
    const [stars, after] = [...(this.#match(/(\*+)(\S?)/y, start) ?? []).slice(1)];
    if (after === '' || start + stars.length >= end) return undefined;
    if (stars.length > 2) this.#fail(start, `${stars} is not known: write ** or *`);
    for (let i = start + stars.length; i < end; i++) {
      const character = this.#text[i];
      if (character === '`') i = (this.#code(i, end)?.end ?? i) - 1;
      else if (character === '\\') i++;
      else if (this.#match(/(?<!\s)\*+/y, i)?.[0] === stars) {
        const children = this.parse(start + stars.length, i);
        const kind = stars === '*' ? 'emphasis' : 'strong';
        return { inline: { kind, children }, end: i + stars.length };
      }
    }
    return this.#fail(start, `the emphasis after ${stars} has no end: write \\* for a star`);
  }

  /** The three tags that pages may have. */
  #tag(start: number, end: number): Found {
    const [all, name, target] = this.#match(/<(code|br|a href="([^"<>]*)")>/y, start) ?? [];
    if (all === undefined) return undefined;
    if (name === 'br') return { inline: { kind: 'break' }, end: start + all.length };
    const closing = name === 'code' ? '</code>' : '</a>';
    const inside = start + all.length;
    const at = this.#text.indexOf(closing, inside);
    if (at < 0 || at >= end || (target !== undefined && !allowedTarget.test(target))) {
      return undefined;
    }
    const children = this.parse(inside, at);
    const inline: Inline = target === undefined
      ? { kind: 'code', children } : { kind: 'link', target, children };
    return { inline, end: at + closing.length };
  }

  /** An address that stands in the text by itself. */
  #address(start: number, end: number): Found {
    const [target] = this.#match(address, start) ?? [];
    if (target === undefined || start + target.length > end) return undefined;
    return { inline: { kind: 'link', target, children: [target] }, end: start + target.length };
  }

  /** Markdown that the pages do not use, and this does not know. */
  #unknown(start: number): undefined {
    if (this.#match(/(?<![\p{L}\p{N}_])_[^\s_](?:[^\n]*[^\s_])?_(?![\p{L}\p{N}_])/yu, start)) {
      this.#fail(start, 'emphasis by _ is not known: write *');
    }
    if (this.#match(/~~\S/y, start)) this.#fail(start, 'text that is struck out is not known');
    if (this.#match(/ {2,}\n/y, start)) {
      this.#fail(start, 'a line break by two spaces is not known: write <br>');
    }
    return undefined;
  }
}
