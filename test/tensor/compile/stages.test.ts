/** Jobs that are run at the same time touch nothing that the others write, and lose no order. */
import * as k from '@mambagrad/kernel';
import { AdamW } from '@mambagrad/nn';
import { closeThreads, compile, normal, type Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { KernelCall } from '../../../packages/tensor/src/compile/schedule/schedule.ts';
import type { Address } from '../../../packages/tensor/src/compile/schedule/address.ts';
import { stagesOf } from '../../../packages/tensor/src/compile/schedule/stages.ts';
import { expectSame } from '../../support/compare.ts';

afterAll(closeThreads);

interface Drawn {
  readonly call: KernelCall;
  readonly addresses: readonly Address[];
  /** The bytes that it reads, and those that it writes. */
  readonly read: ReadonlySet<string>;
  readonly written: ReadonlySet<string>;
}

function bodyOf(): never {
  throw new Error('these calls are no loops');
}

/** A call that copies one array to another, through scratch memory or not, in some rounds. */
const calls: fc.Arbitrary<Drawn> = fc
  .record({
    length: fc.integer({ min: 1, max: 4 }),
    addresses: fc.array(
      fc.record({ isInArena: fc.boolean(), offset: fc.nat(12).map((word) => 4 * word) }),
      { minLength: 3, maxLength: 3 },
    ),
    hasScratch: fc.boolean(),
    rounds: fc.constantFrom(1, 1, 3),
    isReference: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
  })
  .map(({ length, addresses: all, hasScratch, rounds, isReference }) => {
    const [from, to] = ['from', 'to'].map((name) => k.buffer(name, 'f32', length));
    const own = k.scratch('own', 'f32', length);
    const copy = (a: k.Buffer, b: k.Buffer) =>
      k.loop('i', length, (i) => k.store(b, i, k.load(a, i)));
    const kernel = k.kernel('copy', [from, to], [
      hasScratch ? [copy(from, own), copy(own, to)] : k.parallel('r', rounds, () => copy(from, to)),
    ]);
    const addresses = hasScratch ? all : all.slice(0, 2);
    const bytes = (which: readonly number[]) =>
      new Set(which.flatMap((i) => {
        const { isInArena, offset } = addresses[i];
        const size = i === 2 ? kernel.scratchBytes : 4 * length;
        return Array.from({ length: size }, (_, byte) => `${isInArena} ${offset + byte}`);
      }));
    const call: KernelCall = {
      name: 'copy', steps: [], reads: [], writes: [], canAlias: () => false,
      kernel: isReference ? undefined : kernel,
    };
    return { call, addresses, read: bytes([0]), written: bytes(hasScratch ? [1, 2] : [1]) };
  });

describe('stages', () => {
  it('hold all calls in order, and together only what is apart', () => {
    let together = 0;
    fc.assert(
      fc.property(fc.array(calls, { maxLength: 12 }), (drawn) => {
        const addressesOf = (call: KernelCall) =>
          drawn.find((one) => one.call === call)?.addresses ?? [];
        const stages =
          stagesOf({ calls: drawn.map(({ call }) => call), addressesOf, bodyOf }, false);
        const numberOf = (addresses: readonly Address[]) =>
          drawn.findIndex((one) => one.addresses === addresses);
        const order = stages.flatMap(({ tasks, fence }) => [
          ...tasks.map(({ addresses }) => numberOf(addresses)),
          ...(fence === undefined ? [] : [fence]),
        ]);
        expect(order).toEqual(drawn.map((_, i) => i));
        for (const { tasks } of stages) {
          together += Math.max(0, tasks.length - 1);
          const own = tasks.map(({ addresses }) => drawn[numberOf(addresses)]);
          own.forEach((a) => own.forEach((b) => {
            const isHit = [...a.written].some((byte) => b.read.has(byte) || b.written.has(byte));
            if (a !== b) expect(isHit).toBe(false);
          }));
        }
      }),
      { numRuns: 200 },
    );
    expect(together).toBeGreaterThan(0);
  });

  it('are one for each call, if the end of each is told', () => {
    fc.assert(
      fc.property(fc.array(calls, { maxLength: 8 }), (drawn) => {
        const addressesOf = () => drawn[0].addresses;
        const stages =
          stagesOf({ calls: drawn.map(({ call }) => call), addressesOf, bodyOf }, true);
        expect(stages.flatMap(({ fence }) => fence ?? [])).toEqual(drawn.map((_, i) => i));
        for (const { tasks } of stages) expect(tasks.length).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('make the update of all parameters one loop, the same bits on any threads', () => {
    const sizes = [[1], [3, 5], [40, 70], [7], [200, 130], [2, 3, 4], [300], [90, 90]];
    const start = sizes.map((size) => normal(size));
    const train = (threads: number): { state: Tensor[]; loops: number } => {
      const parameters = start.map((one) => one.add(0).detach());
      for (const one of parameters) one.requiresGrad = true;
      const optimizer = new AdamW(parameters, { lr: 0.1 });
      const step = compile(() => {
        const losses = parameters.map((one, i) => one.mul(i + 1).cos().sum());
        optimizer.minimize(losses.reduce((sum, loss) => sum.add(loss)));
      }, { threads, deterministic: true });
      for (let i = 0; i < 3; i++) step();
      const state = [...parameters, ...optimizer.namedState().map(([, value]) => value)];
      return { state, loops: step.stages().filter(({ isShared }) => isShared).length };
    };
    const [one, ...others] = [1, 2, 3, 8].map(train);
    for (const { state } of others) state.forEach((value, i) => expectSame(value, one.state[i]));
    expect(one.loops).toBe(1);
  });
});
