/** The Markdown of the pages: headings with the anchors that GitHub gives them, text, tables. */

/** Gives the anchor of each heading of a page, in order: equal ones are numbered, as on GitHub. */
export class Anchors {
  readonly #taken = new Map<string, number>();

  /** The anchor of the next heading with this text. */
  next(heading: string): string {
    const slug = heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-');
    const count = this.#taken.get(slug) ?? 0;
    this.#taken.set(slug, count + 1);
    return count === 0 ? slug : `${slug}-${count}`;
  }
}

/** A docstring as Markdown: what looks like a tag is escaped, indented lines remain code. */
export function prose(doc: string): string {
  return doc.split('\n').map((line) => (/^ {4}/.test(line) ? line : escapeLine(line))).join('\n');
}

/** A line in which only what stands in backticks is left as it is. */
function escapeLine(line: string): string {
  return line.split(/(`[^`]*`)/).map((part) =>
    part.startsWith('`') ? part : part.replaceAll('<', '&lt;').replaceAll(/\*(?=\S)/g, '\\*'),
  ).join('');
}

/** A text with a capital letter at its start. */
export function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A docstring in one line, for a cell of a table. */
export function cell(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ').replaceAll('|', '\\|').trim();
}

/** A block of code that is shown and not run. */
export function codeBlock(code: string): string {
  return `\`\`\`ts sketch\n${code}\n\`\`\``;
}

/** A table from its heads and rows. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Lines moved to the right, those of a list's item for one. */
export function indented(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '  ');
}

/** A type in code, in which the names that `link` knows lead to their entries. */
export function linkedCode(code: string, link: (name: string) => string | undefined): string {
  if (/^[\w.]+$/.test(code)) {
    const target = link(code);
    return target === undefined ? `\`${code}\`` : `[\`${code}\`](${target})`;
  }
  let isLinked = code.includes('`');
  const html = code.split(/('[^']*'|[\w$.]+)/).map((part) => {
    const target = /^[\w$.]+$/.test(part) ? link(part) : undefined;
    if (target === undefined) return part.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
    isLinked = true;
    return `<a href="${target}">${part}</a>`;
  }).join('');
  return isLinked ? `<code>${html}</code>` : `\`${code}\``;
}
