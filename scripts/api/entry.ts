/** An entry of the reference: its signature, its docstring, its members, the types it names. */
import { nameOf, restOf, splitAtTop } from './declarations.ts';
import { formatCode, oneLine, reindent } from './code.ts';
import { cell, codeBlock, indented, linkedCode, prose, table } from './markdown.ts';
import {
  allMembers, ancestorsOf, declarationsOf, documentedMembers, type Member, ownMembers,
  parentPlaces,
} from './members.ts';
import { type Place, resolve } from './packages.ts';

/** The link to the entry of a place, or undefined if it has none. */
export type LinkTo = (place: Place) => string | undefined;

/** A method that an op is, too: how its call begins, and what takes the first argument's place. */
export interface AsMethod {
  readonly receiver: string;
  readonly first: string;
}

/** What stands below the heading of an entry. */
export function renderEntry(
  name: string, place: Place, linkTo: LinkTo, method: AsMethod | undefined,
): string[] {
  const declarations = declarationsOf(place);
  const doc = declarations.find((one) => one.doc !== '')?.doc ?? '';
  const signature = withPrivateTypes(signatureOf(name, place, method), place);
  const members = membersShown(place, linkTo);
  const described = isTable(place, members)
    ? [propertyTable(members, linkTo)]
    : members.map((member) => bullet(member, linkTo));
  const isShown = (other: Place): boolean => linkTo(other) !== undefined;
  const ancestors = isTable(place, members) ? [] : ancestorsOf(place, isShown);
  const above = ancestors.map((parent) => `[\`${parent.name}\`](${linkTo(parent)})`);
  const types = typesIn(signature, place, linkTo).filter((link) => !above.includes(link));
  return [
    codeBlock(signature),
    prose(doc),
    ...described,
    above.length === 0 ? '' : `And the members of ${above.join(', ')}.`,
    types.length === 0 ? '' : `Types: ${types.join(', ')}`,
  ].filter((part) => part !== '');
}

/** The text of the code block: what to write to use it. */
function signatureOf(name: string, place: Place, method: AsMethod | undefined): string {
  const [first] = declarationsOf(place);
  const { kind } = nameOf(first) ?? {};
  const rest = restOf(first);
  if (kind === 'class') return classSignature(name, place);
  if (kind === 'interface') return oneLine(`interface ${name}${headOf(rest)}`);
  if (kind === 'type') return typeSignature(name, rest);
  const calls = kind === 'function'
    ? declarationsOf(place).map(restOf)
    : [callOf(rest, place)].filter((call) => call !== undefined);
  if (calls.length === 0) return formatCode(`const ${name}${rest}`);
  return calls.flatMap((call) => [
    formatCode(`${name}${call}`),
    ...(method === undefined ? [] : [formatCode(methodCall(name, call, method))]),
  ]).join('\n');
}

/** A signature, and below it the types that it names and nobody can import. */
function withPrivateTypes(signature: string, { file }: Place): string {
  const types = [...new Set(signature.match(/\b[A-Z]\w*/g))].flatMap((name) => {
    const [declaration] = file.declarations.get(name) ?? [];
    if (declaration === undefined || declaration.text.startsWith('export ')) return [];
    if (nameOf(declaration)?.kind !== 'type') return [];
    return [typeSignature(name, restOf(declaration))];
  });
  return [signature, ...types].join('\n');
}

/** What stands between the name and the body. */
function headOf(rest: string): string {
  const [head] = splitAtTop(rest, '{');
  return head.replace(/^(?=\w)/, ' ').trimEnd();
}

function classSignature(name: string, place: Place): string {
  const [{ text }] = declarationsOf(place);
  const isAbstract = /^(?:export )?(?:declare )?abstract /.test(text);
  const head = headOf(restOf({ text, doc: '' }));
  const lines = [oneLine(`${isAbstract ? 'abstract ' : ''}class ${name}${head}`)];
  const makers = ownMembers(place).find((member) => member.name === 'constructor');
  for (const signature of makers?.signatures ?? []) {
    lines.push(formatCode(signature.replace('constructor', `new ${name}`)));
  }
  return lines.join('\n');
}

function typeSignature(name: string, rest: string): string {
  const code = reindent(`type ${name}${rest.replace(/^(?=[=])/, ' ')}`);
  // Comments on its parts say more than short lines would.
  const most = code.includes('/*') ? 120 : 96;
  if (code.split('\n').every((line) => line.length <= most)) return code;
  const [head, value = ''] = splitAtFirst(oneLine(code), '= ');
  const parts = splitAtTop(value, '|').map((part) => part.trim());
  if (parts.length === 1) return formatCode(code);
  const lines = parts.map((part) => `  | ${formatCode(part).replaceAll('\n', '\n    ')}`);
  return [`${head}=`, ...lines].join('\n');
}

/** A constant as a call, if it is a function: `(x: Tensor): Tensor`. */
function callOf(rest: string, { file }: Place): string | undefined {
  const type = rest.replace(/^:\s*/, '');
  const target = /^\w+$/.test(type) ? resolve(file, type) : undefined;
  const [alias] = target === undefined ? [] : declarationsOf(target);
  const known = alias === undefined ? type : restOf(alias).replace(/^=\s*/, '');
  const [, parameters, result] = /^(\([^]*\)) => ([^]*)$/.exec(known) ?? [];
  return parameters === undefined || splitAtTop(known, '|').length > 1
    ? undefined
    : `${parameters}: ${result}`;
}

/** The call of an op as a method: without its first argument, or with another in its place. */
function methodCall(name: string, call: string, { receiver, first }: AsMethod): string {
  const text = oneLine(call);
  const parts = splitAtTop(text, ')');
  const inside = parts[0].slice(text.indexOf('(') + 1);
  const [, ...others] = splitAtTop(inside, ',').map((part) => part.trim());
  const list = first === '' ? others : [first, ...others];
  return `${receiver}.${name}(${list.join(', ')})${text.slice(parts[0].length + 1)}`;
}

/** The members to show: own ones, and those of ancestors that have no entry of their own. */
function membersShown(place: Place, linkTo: LinkTo): Member[] {
  const [declaration] = declarationsOf(place);
  const { kind } = nameOf(declaration) ?? {};
  if (kind !== 'class' && kind !== 'interface' && kind !== 'type') return [];
  const all = allMembers(place);
  const isOptions = all !== undefined && kind !== 'class' && all.every(isProperty);
  if (kind === 'type' && !isOptions) return [];
  const shown = isOptions ? all : withHiddenParents(place, linkTo);
  return shown.filter(({ name, signatures, doc }) =>
    name !== 'constructor' && (doc !== '' || !signatures[0].startsWith('protected ')),
  );
}

function withHiddenParents(place: Place, linkTo: LinkTo): Member[] {
  const hidden = parentPlaces(place)
    .filter((parent) => linkTo(parent) === undefined)
    .flatMap((parent) => withHiddenParents(parent, linkTo));
  const own = documentedMembers(place);
  const names = new Set(own.map(({ name }) => name));
  return [...own, ...hidden.filter(({ name }) => !names.has(name))];
}

const property = /^(?:readonly )?[\w$]+\??: /;

function isProperty({ signatures }: Member): boolean {
  return signatures.length === 1 && property.test(signatures[0]);
}

function isTable(place: Place, members: readonly Member[]): boolean {
  const { kind } = nameOf(declarationsOf(place)[0]) ?? {};
  return kind !== 'class' && members.length > 0 && members.every(isProperty);
}

function propertyTable(members: readonly Member[], linkTo: LinkTo): string {
  const hasDefaults = members.some(({ doc }) => defaultOf(doc).value !== '');
  const rows = members.map(({ name, signatures, doc, place }) => {
    const [before, type] = splitAtFirst(signatures[0].replace(/^readonly /, ''), ': ');
    const isOptional = before.endsWith('?');
    const shown = isOptional ? type.replace(/ \| undefined$/, '') : type;
    const code = cell(linkedCode(shown, linkIn(place, linkTo)));
    const { value, rest } = defaultOf(doc);
    if (!hasDefaults) return [`\`${before}\``, code, cell(prose(doc))];
    return [`\`${name}\``, code, isOptional ? cell(value) : 'required', cell(prose(rest))];
  });
  return hasDefaults
    ? table(['Option', 'Type', 'Default', 'Meaning'], rows)
    : table(['Property', 'Type', 'Meaning'], rows);
}

function splitAtFirst(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return [text.slice(0, at), text.slice(at + separator.length)];
}

/** The default that a docstring names, and what it says besides. */
function defaultOf(doc: string): { value: string; rest: string } {
  const [sentence, given] = /\bDefault:? ([^]+?)\.(?=\s|$)/.exec(doc) ?? [];
  if (sentence === undefined) return { value: '', rest: doc };
  const [, literal, more = ''] = literalDefault.exec(given) ?? [];
  const value = literal === undefined ? prose(given) : `\`${literal}\`${prose(more)}`;
  return { value, rest: doc.replace(sentence, '').replaceAll(/ {2,}/g, ' ').trim() };
}

const literalDefault =
  /^(true|false|null|-?[\d.]+(?:e-?\d+)?|-?Infinity|'[^']*'|\[[^\]]*\]|\{\})((?:[,;] [^]*)?)$/;

/** A member of a class, or of an interface with methods. */
function bullet({ signatures, doc, place }: Member, linkTo: LinkTo): string {
  const isShort = signatures.every((signature) => signature.length <= 96);
  const code = isShort
    ? signatures.map((signature) => linkedCode(signature, linkIn(place, linkTo))).join('<br>')
    : codeBlock(signatures.map((signature) => formatCode(signature)).join('\n'));
  return `- ${indented([code, prose(doc)].filter((part) => part !== '').join('\n\n')).trim()}`;
}

function linkIn({ file }: Place, linkTo: LinkTo): (name: string) => string | undefined {
  return (name) => {
    const place = /[A-Z]/.test(name) ? resolve(file, name) : undefined;
    return place && linkTo(place);
  };
}

/** Links to the types that a signature names, but for tensors, which are everywhere. */
function typesIn(code: string, place: Place, linkTo: LinkTo): string[] {
  const names = new Set(code.match(/\b[\w$]+(?:\.\w+)?/g));
  const link = linkIn(place, linkTo);
  return [...names].sort().flatMap((name) => {
    const target = name === 'Tensor' || name === place.name ? undefined : link(name);
    return target === undefined ? [] : [`[\`${name}\`](${target})`];
  });
}
