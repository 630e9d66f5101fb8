/**
 * The members of classes, interfaces and object types, with those that they inherit: own ones
 * first, and each with the docstring of an ancestor if it has none itself.
 */
import {
  type Declaration, declarationsIn, memberName, membersOf, nameOf, restOf, splitAtTop,
} from './declarations.ts';
import { oneLine } from './code.ts';
import { type Place, resolve } from './packages.ts';

/** A member by its name, with all its signatures: a function may have several. */
export interface Member {
  readonly name: string;
  readonly signatures: readonly string[];
  readonly doc: string;
  /** Where it is declared, which is where the names in its signatures are looked up. */
  readonly place: Place;
}

/** The members that a class, interface or object type declares itself. */
export function ownMembers(place: Place): Member[] {
  const [declaration] = declarationsOf(place);
  return declaration === undefined ? [] : grouped(membersOf(declaration), place);
}

/** The declarations of a name: one, but for functions with overloads. */
export function declarationsOf({ file, name }: Place): readonly Declaration[] {
  return file.declarations.get(name) ?? [];
}

function grouped(members: readonly Declaration[], place: Place): Member[] {
  const found = new Map<string, Member>();
  for (const member of members) {
    const name = memberName(member);
    const known = found.get(name);
    // A getter with a setter is a property that can be set.
    const isSetter = /^set /.test(member.text);
    const signatures = isSetter
      ? (known?.signatures ?? []).map((text) => text.replace(/^readonly /, ''))
      : [...(known?.signatures ?? []), signatureOf(member.text)];
    found.set(name, { name, signatures, doc: known?.doc || member.doc, place });
  }
  return [...found.values()];
}

function signatureOf(text: string): string {
  const [, getter, type] = /^get ([\w$]+)\(\): ([^]*)$/.exec(text) ?? [];
  return oneLine(getter === undefined ? text : `readonly ${getter}: ${type}`);
}

/** The types that a class or interface extends or implements, or that an object type joins. */
export function parentsOf(place: Place): string[] {
  const [declaration] = declarationsOf(place);
  if (declaration === undefined) return [];
  const { kind } = nameOf(declaration) ?? {};
  const rest = restOf(declaration);
  if (kind === 'type') {
    const [, value = ''] = /^(?:<[^=]*>)? ?= ([^]*)$/.exec(rest) ?? [];
    if (splitAtTop(value, '|').length > 1) return [];
    return splitAtTop(value, '&').map((part) => part.trim()).filter((part) => part !== '');
  }
  const [head] = splitAtTop(rest, '{');
  const [, list = ''] = /(?:^|[\s>])(?:extends|implements) ([^]*)$/.exec(head) ?? [];
  return list
    .split(/\bimplements /)
    .flatMap((part) => splitAtTop(part, ','))
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** Ancestors for which `isShown` holds, the nearest of each line. */
export function ancestorsOf(place: Place, isShown: (place: Place) => boolean): Place[] {
  return parentPlaces(place).flatMap((parent) =>
    isShown(parent) ? [parent] : ancestorsOf(parent, isShown),
  );
}

/** Where the types are declared that a class or interface extends or implements. */
export function parentPlaces(place: Place): Place[] {
  return parentsOf(place).flatMap((type) => {
    const [, base = ''] = /^(?:(?:Omit|Pick|Partial|Readonly)<)?([\w$.]+)/.exec(type) ?? [];
    return resolve(place.file, base) ?? [];
  });
}

function inheritedMembers(place: Place): Member[] {
  return parentPlaces(place).flatMap((parent) => [
    ...ownMembers(parent), ...inheritedMembers(parent),
  ]);
}

/** Own members, those without a docstring with that of the ancestor that declares them first. */
export function documentedMembers(place: Place): Member[] {
  const inherited = inheritedMembers(place);
  return ownMembers(place).map((own) => {
    const above = inherited.find(({ name, doc }) => name === own.name && doc !== '');
    return own.doc !== '' || above === undefined ? own : { ...own, doc: above.doc };
  });
}

/** Own and inherited members, each name once; undefined if some type cannot be taken apart. */
export function allMembers(place: Place): Member[] | undefined {
  const own = ownMembers(place);
  const inherited = parentsOf(place).map((parent) =>
    parent.startsWith('{') ? grouped(inBraces(parent), place) : membersOfType(parent, place),
  );
  const found = new Map<string, Member>();
  for (const members of [own, ...inherited]) {
    if (members === undefined) return undefined;
    for (const member of members) {
      const known = found.get(member.name);
      if (known === undefined) found.set(member.name, member);
      else if (known.doc === '') found.set(member.name, { ...known, doc: member.doc });
    }
  }
  return [...found.values()];
}

function inBraces(type: string): Declaration[] {
  return declarationsIn(type.slice(1, -1));
}

/** The members of a type such as `Options`, `Partial<Options>` or `Omit<Options, 'a' | 'b'>`. */
function membersOfType(type: string, from: Place): Member[] | undefined {
  const [, helper, inside = ''] = /^(Omit|Pick|Partial|Readonly)<([^]*)>$/.exec(type) ?? [];
  if (helper === undefined) {
    const target = resolve(from.file, type.replace(/<[^]*$/, ''));
    return target && isObject(target) ? allMembers(target) : undefined;
  }
  const [base, keys = ''] = splitAtTop(inside, ',').map((part) => part.trim());
  const members = membersOfType(base, from);
  if (helper === 'Partial' || helper === 'Readonly') return members;
  const names = new Set(splitAtTop(keys, '|').flatMap((key) => namesOf(key.trim(), from)));
  return members?.filter(({ name }) => names.has(name) === (helper === 'Pick'));
}

/** The names in a key type: `'x'`, or `keyof Options`. */
function namesOf(key: string, from: Place): string[] {
  const [, literal, type] = /^(?:'(\w+)'|keyof (\w+))$/.exec(key) ?? [];
  if (literal !== undefined) return [literal];
  return (type === undefined ? [] : membersOfType(type, from) ?? []).map(({ name }) => name);
}

/** Whether a declaration has members, its own or those of others. */
function isObject(place: Place): boolean {
  const [declaration] = declarationsOf(place);
  const { kind } = (declaration && nameOf(declaration)) ?? {};
  return kind === 'interface' || kind === 'class' || kind === 'type';
}
