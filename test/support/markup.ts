/**
 * A strict reader of markup, which finds what a browser would forgive: as of XML, without names.
 */

/** An element with its attributes, and what is in it: elements and text. */
export interface Node {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly (Node | string)[];
}

const entities: Readonly<Record<string, string>> = {
  amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'",
};

function unescape(text: string): string {
  if (/[<>]/.test(text)) throw new Error(`unescaped: ${text.slice(0, 80)}`);
  return text.replace(/&(?:([^\s;&]{1,8});)?/g, (all, name: string | undefined) => {
    if (name === undefined || !(name in entities)) throw new Error(`no entity: ${all}`);
    return entities[name];
  });
}

/** The element that a text consists of. Throws if it is not well-formed. */
export function parseMarkup(text: string): Node {
  const root: Node & { children: (Node | string)[] } = { name: '', attributes: {}, children: [] };
  const open = [root];
  let end = 0;
  const addText = (to: number) => {
    const content = text.slice(end, to);
    const { name, children } = open[open.length - 1];
    // Styles and scripts are not escaped, and must need none.
    if (content !== '') children.push(name === 'script' ? content : unescape(content));
  };
  for (const tag of text.matchAll(/<(\/?)([\w-]+)((?: [\w-]+="[^"<]*")*)(\/?)>/g)) {
    const [all, isEnd, name, given, isEmpty] = tag;
    if (open[open.length - 1].name === 'script' && !(isEnd && name === 'script')) continue;
    addText(tag.index);
    end = tag.index + all.length;
    if (isEnd) {
      const { name: expected } = open.pop() ?? root;
      if (name !== expected) throw new Error(`</${name}> ends <${expected}>`);
      continue;
    }
    const pairs = Array.from(given.matchAll(/ ([\w-]+)="([^"]*)"/g), ([, key, value]) =>
      [key, unescape(value)],
    );
    const names = pairs.map(([key]) => key);
    if (new Set(names).size < names.length) throw new Error(`an attribute twice: ${all}`);
    const node = { name, attributes: Object.fromEntries(pairs), children: [] };
    open[open.length - 1].children.push(node);
    if (!isEmpty) open.push(node);
  }
  addText(text.length);
  const [only, ...others] =
    root.children.filter((child) => typeof child !== 'string' || child.trim());
  if (open.length !== 1 || typeof only !== 'object' || others.length > 0) {
    throw new Error('not one element');
  }
  return only;
}

/** All elements of a name in a tree, in the order of the text. */
export function elementsOf(node: Node, name: string): Node[] {
  const inside =
    node.children.flatMap((child) => typeof child === 'string' ? [] : elementsOf(child, name));
  return node.name === name ? [node, ...inside] : inside;
}

/** The text in an element. */
export function textOf(node: Node): string {
  return node.children.map((child) => typeof child === 'string' ? child : textOf(child)).join('');
}
