/**
 * Addresses: fixed, or, within a loop, as they follow from the number of the iteration. A sequence
 * is walked element by element, and a carry lies in two buffers in turn.
 */

/** An address in memory, or in the arena. */
export interface Address {
  readonly isInArena: boolean;
  readonly offset: number;
  /** How far it moves with each iteration of loops around. Default not at all. */
  readonly moves?: readonly Move[];
  /** Addresses that take its place in some iterations: the first that applies. */
  readonly exceptions?: readonly Exception[];
}

/** A movement by so many bytes with each iteration of a loop. */
export interface Move {
  /** The loop, by how many others are around it. */
  readonly depth: number;
  readonly bytes: number;
  /** How many iterations it has. */
  readonly length: number;
}

/** Another address, in an iteration of a loop, or in all of odd number; the first is 0. */
export interface Exception {
  readonly depth: number;
  readonly when: number | 'odd';
  readonly address: Address;
}

/** An address and all that take its place, each changed in the same way. */
function changed(address: Address, change: (one: Address) => Address): Address {
  const { exceptions } = address;
  const own = change(address);
  if (exceptions === undefined) return own;
  return {
    ...own,
    exceptions: exceptions.map((one) => ({ ...one, address: changed(one.address, change) })),
  };
}

/** The address so many bytes further on. */
export function shifted(address: Address, bytes: number): Address {
  return changed(address, (one) => ({ ...one, offset: one.offset + bytes }));
}

/** An address that also moves with the iterations of a loop. */
export function moving(address: Address, move: Move): Address {
  return changed(address, (one) => ({ ...one, moves: [...(one.moves ?? []), move] }));
}

/** The address, but for some iterations. */
export function except(address: Address, ...exceptions: readonly Exception[]): Address {
  return { ...address, exceptions: [...exceptions, ...(address.exceptions ?? [])] };
}

/** Where an address is in the iterations of these numbers, for each loop around. */
export function addressIn(address: Address, iterations: readonly number[], arena: number): number {
  const applies = address.exceptions?.find(({ depth, when }) => (
    when === 'odd' ? iterations[depth] % 2 === 1 : iterations[depth] === when
  ));
  if (applies) return addressIn(applies.address, iterations, arena);
  const { isInArena, offset, moves = [] } = address;
  const moved = moves.reduce((sum, { depth, bytes }) => sum + iterations[depth] * bytes, offset);
  return isInArena ? arena + moved : moved;
}

/** The ranges in which an address and so many bytes from it on lie, whatever the iteration. */
export function rangesOf(
  address: Address, bytes: number,
): { readonly isInArena: boolean; readonly start: number; readonly end: number }[] {
  const { isInArena, offset, moves = [], exceptions = [] } = address;
  const way = moves.map((move) => move.bytes * (move.length - 1));
  const start = way.reduce((sum, distance) => sum + Math.min(distance, 0), offset);
  const end = way.reduce((sum, distance) => sum + Math.max(distance, 0), offset) + bytes;
  const others = exceptions.flatMap((one) => rangesOf(one.address, bytes));
  return [{ isInArena, start, end }, ...others];
}
