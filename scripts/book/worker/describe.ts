/** The parts of how Node shows values that need nothing but the value: quotes, names, functions. */

const escapes: Readonly<Record<string, string>> = {
  '\b': '\\b', '\t': '\\t', '\n': '\\n', '\f': '\\f', '\r': '\\r', '\\': '\\\\',
};

/** A string in quotes: single ones, or those that it does not have. */
export function quoted(text: string): string {
  const quote = !text.includes("'") ? "'"
    : !text.includes('"') ? '"'
      : !text.includes('`') && !text.includes('${') ? '`' : "'";
  const special = new RegExp(`[\\x00-\\x1f\\x7f-\\x9f\\\\${quote}]|[\\ud800-\\udfff]`, 'gu');
  const escaped = text.replaceAll(special, (character) => {
    const code = character.charCodeAt(0);
    if (character === quote) return `\\${quote}`;
    if (escapes[character] !== undefined) return escapes[character];
    const digits = code.toString(16);
    return code > 0xff ? `\\u${digits}` : `\\x${digits.toUpperCase().padStart(2, '0')}`;
  });
  return `${quote}${escaped}${quote}`;
}

/** The name of an object's class; undefined if it has no prototype. */
export function nameOf(value: object): string | undefined {
  for (let each: unknown = value; each !== null && each !== undefined;) {
    const found = Object.getOwnPropertyDescriptor(each, 'constructor')?.value as unknown;
    const isOwner = typeof found === 'function' && found.name !== '' && value instanceof found;
    if (isOwner) return found.name;
    each = Object.getPrototypeOf(each);
  }
  return undefined;
}

/** What an object calls itself (`Symbol.toStringTag`), if that is not one of its properties. */
export function tagOf(value: object): string {
  const tag = (value as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag];
  const isProperty = Object.prototype.propertyIsEnumerable.call(value, Symbol.toStringTag);
  return typeof tag === 'string' && !isProperty ? tag : '';
}

/** The words before the braces: the class, the size if there is one, and the tag. */
export function prefixOf(
  name: string | undefined, tag: string, fallback: string, size = '',
): string {
  if (name === undefined) {
    const shown = tag !== '' && tag !== fallback ? `[${tag}] ` : '';
    return `[${fallback}${size}: null prototype] ${shown}`;
  }
  return tag !== '' && tag !== name ? `${name}${size} [${tag}] ` : `${name}${size} `;
}

type Callable = (...args: never) => unknown;

/** `[Function: f]` or `[class A extends B]`. */
export function callableText(
  value: Callable | object, name: string | undefined, tag: string,
): string {
  const { name: own } = value as Callable;
  const source = Function.prototype.toString.call(value);
  const shownTag = tag !== '' && tag !== name ? ` [${tag}]` : '';
  if (/^class\b/.test(source)) {
    const parent = (Object.getPrototypeOf(value) as Callable).name;
    const extended = parent === '' ? '' : ` extends ${parent}`;
    return `[class ${own === '' ? '(anonymous)' : own}${shownTag}${extended}]`;
  }
  const kind = name !== undefined && name.endsWith('Function') ? name : 'Function';
  const text = `[${kind}${own === '' ? ' (anonymous)' : `: ${own}`}]`;
  return `${text}${name === kind ? '' : ` ${name}`}${tag === kind ? '' : shownTag}`;
}

/** An error in one line: where it was thrown is shown at its line on the page. */
export function errorText({ name, message }: Error): string {
  return message === '' ? `[${name}]` : `[${name}: ${message}]`;
}
