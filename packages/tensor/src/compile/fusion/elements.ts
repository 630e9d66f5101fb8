/**
 * Values as their elements: for an index, the expression in the loop language that loads or
 * computes the element there. Where a value is not materialised, its expression contains those of
 * the values that it is computed from.
 */
import { asList } from '@mambagrad/wasm';
import type * as k from '@mambagrad/kernel';
import { broadcastIndex, type Elements, flatIndex, type Index } from '../../core/lowering.ts';
import type { Value } from '../trace/trace.ts';
import { baseOf, isMaterialized, type Materialization, offsetOf } from './materialization.ts';

/** A load function: gives the element of a buffer, that of the value `base`, at a position. */
export type LoadElement = (base: Value, position: k.Operand) => k.Expr;

/** The elements of a value: loaded where it is materialised, else computed. */
export function elementsOf(
  materialization: Materialization, value: Value, load: LoadElement,
): Elements {
  const { shape, dtype } = value;
  const constant = materialization.constants.get(value);
  if (constant) return { shape, dtype, at: () => constant };
  return isMaterialized(materialization, value)
    ? loadedElements(materialization, value, load)
    : computedElements(materialization, value, load);
}

function loadedElements(
  materialization: Materialization, value: Value, load: LoadElement,
): Elements {
  const { shape, dtype } = value;
  const [base, offset] = [baseOf(materialization, value), offsetOf(materialization, value)];
  return { shape, dtype, at: (index) => load(base, flatIndex(index, shape, offset)) };
}

/** The elements of a value, computed from its producer's inputs even if it is materialised. */
export function computedElements(
  materialization: Materialization, value: Value, load: LoadElement,
): Elements {
  const { shape, dtype } = value;
  const producer = materialization.producers.get(value);
  const { move, element, map } = materialization.lowerings.get(value) ?? {};
  if (producer === undefined) return loadedElements(materialization, value, load);
  const { inputs } = producer;
  // An input that occurs twice is loaded or computed once.
  const each = <T>(make: (input: Value, i: number) => T): T[] => {
    const made: T[] = [];
    for (let i = 0; i < inputs.length; i++) {
      const first = inputs.indexOf(inputs[i]);
      made.push(first < i ? made[first] : make(inputs[i], i));
    }
    return made;
  };
  const elements = each((input) => elementsOf(materialization, input, load));
  if (move) return { shape, dtype, at: (index) => elements[0].at(move(asList(index))) };
  if (element) return { shape, dtype, at: (index) => element(asList(index), ...elements) };
  if (!map) return loadedElements(materialization, value, load);
  const operand = (index: Index, i: number): k.Expr =>
    elements[i].at(broadcastIndex(index, inputs[i].shape));
  return { shape, dtype, at: (index) => map(...each((_, i) => operand(index, i))) };
}
