/**
 * What has a kernel of its own, and what follows from the elements of its result one by one: that
 * is computed when some rows are ready, while they are in the nearest cache.
 *
 *     y = silu(x·W + b):   each block of rows of x·W, when its sums are done, goes through + b and
 *                          silu, and only then to memory; x·W itself is nowhere
 *
 * What is read besides lies in memory: a bias, what is added, old state. Nobody else reads the
 * result as it was: then it would be stored, and as well be read from there.
 */
import * as k from '@mambagrad/kernel';
import { type Finish, flatIndex } from '../lowering.ts';
import { bufferOf, type Group } from './group.ts';
import type { Leaf } from './network.ts';
import { type Bound, Namer, type Reuse } from './reuse.ts';
import type { Step, Value } from './trace.ts';
import { keyOf } from './tree.ts';

/** Notes what is read. */
export function readingLeaf(reads: Set<Value>): Leaf {
  return (storage, place) => {
    reads.add(storage);
    return k.load(bufferOf(storage), place);
  };
}

/** The kernel of a group's head, and of the other members; stores those that are needed. */
export function headedKernel(
  head: Step, group: Group, isNeeded: (storage: Value) => boolean, reuse: Reuse,
): Bound {
  const { primitive, attributes, inputs, output } = head;
  const { network, members } = group;
  const lowering = network.lowering(head);
  if (!lowering || !('kernel' in lowering)) throw new Error(`${primitive.name} has no kernel`);
  const namer = new Namer();
  const values = new Set<Value>();
  const looks = inputs.map((input) => {
    const counters = input.shape.map((_, axis) => k.variable(`h${axis}`, 'i32'));
    const at = network.elements(input, readingLeaf(values)).at(counters);
    return `${input.shape} ${input.dtype} ${namer.write(at)}`;
  });
  const all = group.key(isNeeded, namer);
  const attributesKey = keyOf(attributes, () => `${reuse.count()}`);
  const key = [primitive.name, attributesKey, looks, all.key].join('|');
  return reuse.get(key, [...new Set([...values, ...all.values])], () => {
    const reads = new Set<Value>();
    const isAlone = members.length === 1;
    const writes = members.map(({ value }) => value).filter((one) => isAlone || isNeeded(one));
    const finish: Finish = (index, value) => {
      const registers = new Map<Value, k.Value>();
      const [sets, stores]: [k.Statements[], k.Statements[]] = [[], []];
      for (const member of members) {
        const computed = member.step === head ? value : group.operand(member, index, (from, at) => {
          if (!registers.has(from)) reads.add(from);
          return registers.get(from) ?? k.load(bufferOf(from), at);
        });
        const register = k.variable('v', computed.type);
        sets.push(k.set(register, computed));
        registers.set(member.value, register);
        const place = flatIndex(group.indexOf(member, index), member.value.shape);
        if (isNeeded(member.value)) stores.push(k.store(bufferOf(member.value), place, register));
      }
      return [sets, stores];
    };
    const elements = inputs.map((input) => network.elements(input, readingLeaf(reads)));
    const own = bufferOf(output);
    const body = isAlone
      ? lowering.kernel(elements, own, undefined)
      : lowering.kernel(elements, k.scratch('y', own.kind, own.length), finish);
    const parameters = [...reads, ...writes].map(bufferOf);
    return { kernel: k.kernel(group.name, parameters, body), reads: [...reads], writes };
  });
}
