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
import type { Finish } from '../../core/lowering.ts';
import type { Value } from '../trace/trace.ts';
import { type Bound, boundKernel, bufferOf, readingLeaf } from './buffers.ts';
import type { Group } from './fusionGroup.ts';

/** The kernel of a group's head, and of the other members; stores those that are needed. */
export function headedKernel(group: Group, needed: ReadonlySet<Value>): Bound {
  const { members, network, name } = group;
  const [head] = members;
  const { step: { inputs, primitive }, lowering } = head;
  if (!lowering.kernel) throw new Error(`${primitive.name} has no kernel`);
  const reads = new Set<Value>();
  const isAlone = members.length === 1;
  const { outputs } = head.step;
  const writes = isAlone
    ? outputs
    : members.map(({ value }) => value).filter((one) => needed.has(one));
  const finish: Finish = (index, value) => {
    const registers = new Map<Value, k.Expr>();
    const leaf = readingLeaf(reads, registers);
    const [sets, stores]: [k.Statements[], k.Statements[]] = [[], []];
    for (const member of members) {
      const computed = member === head ? value : group.operand(member, index, leaf);
      const register = k.variable('v', computed.type);
      sets.push(k.set(register, computed));
      registers.set(member.value, register);
      if (!needed.has(member.value)) continue;
      stores.push(k.store(bufferOf(member.value), group.placeOf(member, index), register));
    }
    return [sets, stores];
  };
  const elements = inputs.map((input) => network.elements(input, readingLeaf(reads)));
  const body = lowering.kernel(elements, outputs.map(bufferOf), isAlone ? undefined : finish);
  return boundKernel(name, reads, writes, body);
}
