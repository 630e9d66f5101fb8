/**
 * What the packages export, with whether it has a docstring, as the API reference reads it from the
 * .d.ts files.
 */
import {
  declarationsOf, documentedMembers, type Member, parentPlaces,
} from '../../scripts/api/members.ts';
import { entryPoints, type Place } from '../../scripts/api/packages.ts';

/** Something that a package exports, or a public member of it. */
export interface PublicName {
  /** Its source and name, as `packages/nn/src/layers/linear.ts Linear.forward`. */
  readonly place: string;
  readonly isDocumented: boolean;
}

/** Every name that the packages export, with public members, those that are inherited too. */
export function publicNames(): PublicName[] {
  const found = new Map<string, PublicName>();
  const add = (place: Place): void => {
    const name = `${place.file.source} ${place.name}`;
    if (found.has(name)) return;
    const isDocumented = declarationsOf(place).some(({ doc }) => doc !== '');
    found.set(name, { place: name, isDocumented });
    for (const member of documentedMembers(place)) {
      if (isLeftOut(member)) continue;
      const path = `${name}.${member.name}`;
      found.set(path, { place: path, isDocumented: member.doc !== '' });
    }
    parentPlaces(place).forEach(add);
  };
  for (const { exports } of entryPoints()) [...exports.values()].forEach(add);
  return [...found.values()];
}

/**
 * Members that only subclasses see, call signatures and symbols; and constructors, as the docstring
 * of the class says what it is made of, and the interface of its options what they mean.
 */
function isLeftOut({ name, signatures }: Member): boolean {
  return !/^\w/.test(name) || name === 'constructor' || signatures[0].startsWith('protected ');
}
