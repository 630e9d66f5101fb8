/**
 * The addresses in a loop's body, as they follow from the iteration i. Of L iterations, in
 * positions p = 0, 1, … or in reverse:
 *
 *     element of a sequence     start + p·bytes
 *     carry that is read        the first value if i = 0, else where iteration i − 1 has written it
 *     carry that is written     its home: two buffers in turn, of which the last is the result; or
 *                               in an output of which it is an element anyway
 */
import { sizeOf } from '../../core/dtype.ts';
import { Tensor } from '../../core/tensor.ts';
import { baseOf, offsetOf } from '../fusion/materialization.ts';
import { type Address, except, type Exception, moving, shifted } from '../schedule/address.ts';
import type { KernelCall } from '../schedule/kernelCall.ts';
import type { AddressedLoop, Copy } from '../schedule/stages.ts';
import type { Value } from '../trace/trace.ts';
import { bytesOf, type BodyPlan } from './plan.ts';

/** The addresses that a call's kernel takes: values, the flag of checks, scratch memory. */
export function parametersOf(
  call: KernelCall, of: (value: Value) => Address, flag: number, scratch: Address,
): Address[] {
  return [
    ...[...call.reads, ...call.writes].map(of),
    ...(call.checks === undefined ? [] : [{ isInArena: false, offset: flag }]),
    ...(call.kernel?.scratchBytes ? [scratch] : []),
  ];
}

/** A loop in a program, or in the body of another loop. */
export interface PlacedLoop {
  readonly call: KernelCall;
  readonly plan: BodyPlan;
  /** Where the values around the loop are. */
  readonly outer: (value: Value) => Address;
  /** Where a number is that the body holds as a constant. */
  readonly constant: (value: Value) => Address;
  /** Where the loop's scratch memory starts. */
  readonly scratch: Address;
  /** The address where checks say that something is wrong. */
  readonly flag: number;
  /** How many loops are around. */
  readonly depth: number;
}

/** The addresses in the body of a loop. */
export function addressesInBody(placed: PlacedLoop): AddressedLoop {
  const { call, plan: { plan }, constant, scratch, flag, depth } = placed;
  const { loop, body: { calls, materialization } } = loopOf(call);
  const { places, before, after } = placesIn(placed);
  const inScratch = (offset = 0): Address => shifted(scratch, offset);
  const of = (value: Value): Address => {
    if (value.from instanceof Tensor) return constant(value);
    return places.get(value) ?? inScratch(plan.offsets.get(value));
  };
  const outer = (value: Value): Address => {
    const bytes = sizeOf(value.dtype) * offsetOf(materialization, value);
    return shifted(of(baseOf(materialization, value)), bytes);
  };
  return {
    depth, length: loop.length, calls, before, after,
    addressesOf: remembered(
      (inner) => parametersOf(inner, of, flag, inScratch(plan.scratch.get(inner))),
    ),
    bodyOf: remembered((inner) => {
      const own = plan.bodies.get(inner);
      if (own === undefined) throw new Error(`addresses: ${inner.name} is no loop`);
      const start = inScratch(plan.scratch.get(inner));
      return addressesInBody(
        { call: inner, plan: own, outer, constant, scratch: start, flag, depth: depth + 1 },
      );
    }),
  };
}

/** A function of calls whose results are kept: JavaScript asks for them in each iteration. */
export function remembered<T>(find: (call: KernelCall) => T): (call: KernelCall) => T {
  const known = new Map<KernelCall, T>();
  return (call) => {
    const result = known.get(call) ?? find(call);
    known.set(call, result);
    return result;
  };
}

function loopOf({ loop, name }: KernelCall): NonNullable<KernelCall['loop']> {
  if (loop === undefined) throw new Error(`addresses: ${name} is no loop`);
  return loop;
}

/** Where the arguments and results of a body are, and what is copied before and after the loop. */
interface Places {
  readonly places: ReadonlyMap<Value, Address>;
  readonly before: readonly Copy[];
  readonly after: readonly Copy[];
}

function placesIn(placed: PlacedLoop): Places {
  const { call, outer } = placed;
  const { loop, homes, results } = loopOf(call);
  const { body, shape: { carries, sequences } } = loop;
  const { steps: [{ inputs, outputs }] } = call;
  const places = new Map<Value, Address>();
  body.inputs.forEach((value, i) => {
    const isSequence = i >= carries && i < carries + sequences;
    const whole = outer(inputs[i]);
    places.set(value, isSequence ? elementOf(placed, whole, value) : whole);
  });
  results.forEach((value, i) => {
    // The carry that lies in an output is written below.
    const isHome = homes.some((home) => home.kind !== 'swap' && home.output === i);
    if (i >= carries && !isHome) places.set(value, elementOf(placed, outer(outputs[i]), value));
  });
  const carried = homes.map((_, i) => carryOf(placed, i));
  carried.forEach(({ read, written }, i) => {
    places.set(body.inputs[i], read);
    places.set(results[i], written);
  });
  return {
    places,
    before: carried.flatMap(({ before }) => before ?? []),
    after: carried.flatMap(({ after }) => after ?? []),
  };
}

/** The element of a sequence at the position of the iteration, or of one that comes later. */
function elementOf(
  { call, depth }: PlacedLoop, sequence: Address, element: Value, later = 0,
): Address {
  const { loop: { length, reverse } } = loopOf(call);
  const size = bytesOf(element);
  const first = reverse ? length - 1 - later : later;
  return moving(
    shifted(sequence, first * size), { depth, length, bytes: reverse ? -size : size },
  );
}

/** Where a carry is read and written, and what is copied for it. */
interface CarryPlaces {
  readonly read: Address;
  readonly written: Address;
  readonly before?: Copy;
  readonly after?: Copy;
}

function carryOf(placed: PlacedLoop, carry: number): CarryPlaces {
  const { call, outer, depth, scratch, plan: { swaps } } = placed;
  const { loop: { length, body }, homes } = loopOf(call);
  const { steps: [{ inputs, outputs }] } = call;
  const home = homes[carry];
  const value = body.inputs[carry];
  const bytes = bytesOf(value);
  const [first, last] = [outer(inputs[carry]), outer(outputs[carry])];
  const isFirst = (address: Address): Exception => ({ depth, when: 0, address });
  if (home.kind === 'swap') {
    // The last iteration writes the result, those before it write the two buffers in turn.
    const other = shifted(scratch, swaps[carry] ?? 0);
    const [even, odd] = length % 2 === 1 ? [last, other] : [other, last];
    return {
      read: except(odd, isFirst(first), { depth, when: 'odd', address: even }),
      written: except(even, { depth, when: 'odd', address: odd }),
    };
  }
  const sequence = outer(outputs[home.output]);
  const elementAt = (iteration: number): Address =>
    shifted(sequence, loopOf(call).loop.positionOf(iteration) * bytes);
  if (home.kind === 'before') {
    return {
      read: elementOf(placed, sequence, value),
      written: except(
        elementOf(placed, sequence, value, 1), { depth, when: length - 1, address: last },
      ),
      before: { from: first, to: elementAt(0), bytes },
    };
  }
  return {
    read: except(elementOf(placed, sequence, value, -1), isFirst(first)),
    written: elementOf(placed, sequence, value),
    after: { from: elementAt(length - 1), to: last, bytes },
  };
}
