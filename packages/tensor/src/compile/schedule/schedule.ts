/**
 * From a program to jobs, in order: each a kernel, or a reference loop where there is none. A value
 * that is stored joins the last group that can take it in, so that what is computed of the same
 * elements is computed in one pass; if there is none, it starts one.
 */
import * as k from '@mambagrad/kernel';
import { type Bound, forEach } from '../../core/lowering.ts';
import { numelOf } from '../../core/shape.ts';
import { bufferOf, readingLeaf } from '../fusion/buffers.ts';
import { headedKernel } from '../fusion/epilogue.ts';
import { rowKernel } from '../fusion/fusedLoops.ts';
import { Group } from '../fusion/fusionGroup.ts';
import { Reuse } from '../fusion/kernelCache.ts';
import { Network } from '../fusion/materialization.ts';
import { endsOf, type Program, type Step, type Value } from '../trace/trace.ts';

export interface Job {
  readonly name: string;
  /** The ops that it does; of one whose results are computed each by itself, those made here. */
  readonly steps: readonly Step[];
  /** What it needs in memory, and what it leaves there: the kernel's parameters, in order. */
  readonly reads: readonly Value[];
  readonly writes: readonly Value[];
  /** What runs; without, the reference loop of the only step, called in the same memory. */
  readonly kernel: k.Kernel | undefined;
  /**
   * The kernel writes 1 to its last parameter, a flag, if the reference loop of the step should
   * have a look at the input of this number, and throw.
   */
  readonly checks?: number;
  /** Whether a result may lie where something that is read here for the last time lies. */
  mayReplace(read: Value, written: Value): boolean;
}

export interface Schedule {
  readonly jobs: readonly Job[];
  readonly network: Network;
}

/** At most so many values are computed in one group, as registers are few. */
const MOST_MEMBERS = 16;

/** Where a check says that it has found something. */
export const flag: k.Buffer = k.buffer('flag', 'i32', 1);

/**
 * What can be left out: `share` computes equal things once, `fold` computes numbers that are known
 * while tracing, `inline` computes values where they are needed instead of storing them, `group`
 * computes several in one pass, and `inPlace` puts results where something lies that is not needed
 * any more.
 */
export type Pass = 'share' | 'fold' | 'inline' | 'group' | 'inPlace';

/** `constants` are known by their values, and need no memory. */
export function schedule(
  program: Program,
  constants: ReadonlyMap<Value, k.Expr>,
  without: ReadonlySet<Pass> = new Set(),
): Schedule {
  const network = new Network(program, constants, !without.has('inline'));
  const groups = groupsOf(program, network, !without.has('group'));
  const read = groups.flatMap((made) => (made instanceof Group ? [...made.outside()] : made.reads));
  const needed = new Set([...endsOf(program), ...read].map((value) => network.storageOf(value)));
  const reuse = new Reuse();
  const jobs = groups.map((made) => (made instanceof Group ? groupJob(made, needed, reuse) : made));
  return { jobs, network };
}

/** The groups that steps have formed so far, and the jobs of steps that belong to none. */
interface Groups {
  readonly network: Network;
  readonly made: (Group | Job)[];
  /** The number of the group or job that makes a stored value; −1 if it has no elements. */
  readonly madeBy: Map<Value, number>;
}

/** The groups and jobs of all steps, in order. */
function groupsOf(program: Program, network: Network, isGrouping: boolean): (Group | Job)[] {
  const groups: Groups = { network, made: [], madeBy: new Map() };
  const replaced = new Map(
    program.writes.map(({ state, value }) => [network.storageOf(value), state]),
  );
  const add = (made: Group | Job): number => groups.made.push(made) - 1;
  /** Puts a step into a group, or makes a job of it; gives the number of that. */
  const place = (step: Step): number => {
    const { outputs: [output], inputs } = step;
    const lowering = network.lowering(output);
    if (lowering === undefined) {
      return add(plainJob(step, inputs.map((input) => network.storageOf(input)), undefined));
    }
    if (step.outputs.every(({ shape }) => numelOf(shape) === 0)) return -1;
    const canJoin = isGrouping && !lowering.kernel;
    const joined = canJoin ? join(step, groups, replaced.get(output)) : -1;
    return joined >= 0 ? joined : add(new Group(network, step));
  };
  const checkFor = indexChecks(network);
  for (const step of numbersFirst(network.steps)) {
    const { outputs } = step;
    const check = checkFor(step);
    if (check) add(check);
    if (!network.isStored(outputs[0]) || network.isView(outputs[0])) continue;
    const number = place(step);
    for (const output of outputs) groups.madeBy.set(output, number);
  }
  return groups.made;
}

/**
 * Joins a step to the last group that can take it in and reads some of what it reads; gives the
 * number of that group, or −1. If the step makes a new value of state, no later group may read the
 * old one, nor fail: the new one lies in the same place.
 */
function join(step: Step, { network, made, madeBy }: Groups, old: Value | undefined): number {
  const reads = network.readsOf(step);
  const earliest = Math.max(0, ...Array.from(reads, (value) => madeBy.get(value) ?? 0));
  for (let i = made.length - 1; i >= earliest; i--) {
    const group = made[i];
    if (group instanceof Group) {
      const hasRoom = group.members.length < MOST_MEMBERS;
      if (hasRoom && group.isNear(reads) && group.join(step)) return i;
    }
    if (old && (!(group instanceof Group) || group.outside().has(old))) break;
  }
  return -1;
}

/** Gives the job that must check a step's index, unless an earlier one checks the same. */
function indexChecks(network: Network): (step: Step) => Job | undefined {
  /** Which indices are checked, and for which sizes. Another part of them is another. */
  const checked = new Map<Value, Set<number>>();
  return (step) => {
    const bound = network.lowering(step.outputs[0])?.bound;
    if (bound === undefined) return undefined;
    const index = step.inputs[bound.input];
    if (numelOf(index.shape) === 0) return undefined;
    const sizes = checked.get(index) ?? new Set();
    const isChecked = sizes.has(bound.size);
    checked.set(index, sizes.add(bound.size));
    return isChecked ? undefined : checkJob(step, network, bound);
  };
}

/**
 * The steps in an order in which single numbers that are made of such numbers alone come first: a
 * learning rate, say, which all updates of parameters wait for.
 */
function numbersFirst(steps: readonly Step[]): Step[] {
  const early = new Set<Value>();
  for (const { inputs, outputs } of steps) {
    const isEarly = inputs.every((input) =>
      input.from === 'step' ? early.has(input) : numelOf(input.shape) <= 1,
    );
    if (!isEarly || outputs.some(({ shape }) => numelOf(shape) > 1)) continue;
    for (const output of outputs) early.add(output);
  }
  const isEarly = ({ outputs: [output] }: Step): boolean => early.has(output);
  return [...steps.filter(isEarly), ...steps.filter((step) => !isEarly(step))];
}

function plainJob(step: Step, reads: readonly Value[], kernel: k.Kernel | undefined): Job {
  return {
    name: step.primitive.name,
    steps: [step],
    reads: [...new Set(reads)],
    writes: step.outputs,
    kernel,
    mayReplace: () => false,
  };
}

/** Looks at all elements of what the index was moved from, whether it takes them or not. */
function checkJob(step: Step, network: Network, { input, size }: Bound): Job {
  const reads = new Set<Value>();
  const source = network.sourceOf(step.inputs[input]);
  const elements = network.elements(source, readingLeaf(reads));
  const body = forEach(source.shape, (at) => {
    const i = elements.at(at);
    const isOut = k.or(k.less(i, 0), k.greaterEqual(i, size));
    return k.when(k.any(isOut), k.store(flag, 0, 1));
  });
  const kernel = k.kernel('check', [...[...reads].map(bufferOf), flag], body);
  return { ...plainJob(step, [...reads], kernel), name: 'check', writes: [], checks: input };
}

function groupJob(group: Group, needed: ReadonlySet<Value>, reuse: Reuse): Job {
  const { members, network, head } = group;
  const made = reuse.get(group, needed, head ? headedKernel : rowKernel);
  const steps = members.flatMap(({ step }) => [...network.stepsOf(step)]);
  // What belongs to a row is computed after the elements of its pass.
  const lastPass = Math.max(...members.map(({ form, pass }) => pass + (form === 'row' ? 1 : 0)));
  return {
    name: made.kernel.name,
    steps: [...new Set(steps)],
    ...made,
    mayReplace: (read, written) => {
      const member = group.memberFor(written);
      return member?.form === 'element' && lastPass <= 0 && group.isReadInPlace(read);
    },
  };
}
