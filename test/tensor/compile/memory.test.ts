/**
 * Neither the calls of a program nor programs that are made and dropped make memory grow. The long
 * version is bench/memory.ts.
 */
import { describe, expect, it } from 'vitest';
import {
  bytesInHeap, compileOne, measure, trainingStep, type Use,
} from '../../../bench/support/growth.ts';

describe('calls of a program', () => {
  const STEPS = 2000;
  /** A tensor of a single number takes more; compiled code that still changes comes to less. */
  const ALLOWED_PER_STEP = 200;

  function growthPerStep(visit: (loss: number) => void): number {
    const step = trainingStep();
    const train = () => {
      for (let i = 0; i < STEPS; i++) visit(step());
    };
    train();
    const before = bytesInHeap();
    train();
    return (bytesInHeap() - before) / STEPS;
  }

  it('leave nothing behind', () => {
    expect(growthPerStep(() => {})).toBeLessThan(ALLOWED_PER_STEP);
  });

  it('are seen to, if they do', () => {
    const kept: object[] = [];
    const growth = growthPerStep((loss) => kept.push(Array(40).fill(loss)));
    expect(growth).toBeGreaterThan(ALLOWED_PER_STEP);
  });
});

describe('programs that are dropped', () => {
  const PROGRAMS = 100;
  /** A program takes ten times as much, and its state a thousand bytes. */
  const ALLOWED_PER_PROGRAM: Use = { heap: 5000, programs: 500 };

  /** By how much the heap, and the memory of programs, grew with each in the second round. */
  async function growthPerProgram(visit: (program: object) => void): Promise<Use> {
    const make = async () => {
      for (let i = 0; i < PROGRAMS; i++) visit(compileOne(i));
      return measure();
    };
    const [before, after] = [await make(), await make()];
    return {
      heap: (after.heap - before.heap) / PROGRAMS,
      programs: (after.programs - before.programs) / PROGRAMS,
    };
  }

  it('leave nothing behind', async () => {
    const { heap, programs } = await growthPerProgram(() => {});
    expect(heap).toBeLessThan(ALLOWED_PER_PROGRAM.heap);
    expect(programs).toBeLessThan(ALLOWED_PER_PROGRAM.programs);
  });

  it('are seen to, if they are kept', async () => {
    const kept: object[] = [];
    const { heap, programs } = await growthPerProgram((program) => kept.push(program));
    expect(kept).toHaveLength(2 * PROGRAMS);
    expect(heap).toBeGreaterThan(ALLOWED_PER_PROGRAM.heap);
    expect(programs).toBeGreaterThan(ALLOWED_PER_PROGRAM.programs);
  });
});
