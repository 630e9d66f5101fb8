/**
 * Every memory plan that is made in a test is checked, of whatever program. On request plans share
 * nothing instead, to see that sharing changes no bit.
 */
import { alignUp } from '../../packages/wasm/src/common/freeList.ts';

type Planning = typeof import('../../packages/tensor/src/compile/memory/plan.ts');

let isApart = false;

/** Runs `body` while every value is given a place of its own, and new state as well. */
export function withoutSharing<T>(body: () => T): T {
  isApart = true;
  try {
    return body();
  } finally {
    isApart = false;
  }
}

/** The planner in place of the given one. */
export function checked(original: Planning): Planning['planMemory'] {
  const { planMemory, checkPlan, bytesOf, sharedBytes } = original;
  return function checkedPlan(program, schedule, without) {
    const plan = planMemory(program, schedule, without);
    checkPlan(program, schedule, plan);
    if (!isApart) return plan;
    let bytes = 0;
    const take = (size: number) => (bytes += alignUp(size)) - alignUp(size);
    const values = [...plan.offsets.keys(), ...plan.donated.keys()];
    const offsets = new Map(values.map((value) => [value, take(bytesOf(value))]));
    const calls = [...plan.scratch.keys()];
    const scratch = new Map(calls.map((call) => [call, take(sharedBytes(call, plan))]));
    return { ...plan, offsets, scratch, donated: new Map(), inPlace: new Map(), bytes };
  };
}
