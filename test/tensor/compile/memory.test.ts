/**
 * Neither the calls of a program nor programs that are made and dropped make memory grow, be they
 * of many functions or of one. The long version is bench/memory.ts.
 */
import { arange, compile, ones, type Tensor } from '@mambagrad/tensor';
import { describe, expect, it, vi } from 'vitest';
import { oneOf } from '../../support/soak.ts';
import {
  bytesInHeap, bytesOfPrograms, compileOne, manyShapes, measure, trainingStep, type Use,
} from '../../../bench/support/growth.ts';

/** Whose growth is shown to be seen in this run. */
const shown = new Set(oneOf(['calls', 'programs', 'shapes']));

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

  if (shown.has('calls')) it('are seen to, if they do', () => {
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

  if (shown.has('programs')) it('are seen to, if they are kept', async () => {
    const kept: object[] = [];
    const { heap, programs } = await growthPerProgram((program) => kept.push(program));
    expect(kept).toHaveLength(2 * PROGRAMS);
    expect(heap).toBeGreaterThan(ALLOWED_PER_PROGRAM.heap);
    expect(programs).toBeGreaterThan(ALLOWED_PER_PROGRAM.programs);
  });
});

describe('programs of many shapes', () => {
  const SHAPES = 60;
  /** A program takes more. */
  const ALLOWED_PER_SHAPE = 8000;

  let shapes = 0;

  /** By how much the heap grew with each shape, of which there were others before. */
  async function growthPerShape(maxPrograms: number): Promise<number> {
    vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const call = manyShapes({ maxPrograms });
    const visit = async (last: number) => {
      while (shapes < last) call(shapes++);
      return (await measure()).heap;
    };
    // The kernels of 300 programs are kept in any case.
    const before = await visit(Math.max(300, shapes + 10));
    return ((await visit(shapes + SHAPES)) - before) / SHAPES;
  }

  it('leave nothing behind when they are dropped', async () => {
    expect(await growthPerShape(10)).toBeLessThan(ALLOWED_PER_SHAPE);
  });

  if (shown.has('shapes')) it('are seen to, if they are kept', async () => {
    expect(await growthPerShape(1000)).toBeGreaterThan(ALLOWED_PER_SHAPE);
  });

  it('give the place of their constants back at once, before the event loop has its turn', () => {
    const constantsOf = (maxPrograms: number) => {
      const f = compile((x: Tensor) => {
        const [rows] = x.shape;
        return arange(0, 1000 * rows).reshape([rows, 1000]).cumsum(1).mul(x).sum();
      }, { maxPrograms, threads: 1 });
      const before = bytesOfPrograms();
      for (let rows = 100; rows < 140; rows++) f(ones([rows, 1]));
      return bytesOfPrograms() - before;
    };
    // Each has 480 kB of constants; values of a call take 1 MB.
    expect(constantsOf(3)).toBeLessThan(6e6);
    expect(constantsOf(1000)).toBeGreaterThan(1e7);
  });
});
