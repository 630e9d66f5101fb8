/**
 * Ten thousand training steps of one program, and ten thousand programs compiled and dropped: what
 * memory is in use at the start, after a tenth, in the middle and at the end. Before these, two
 * thousand shapes of a small function, in random order: the memory that the process has after a
 * tenth of them, and after all. The exit code is 1 if it grew after the first tenth by more than a
 * slack.
 *
 *     npm run -s bench memory [-- --shapes 2000 --steps 10000 --programs 10000 --seconds 120]
 */
import { Generator, permutation } from '@mambagrad/tensor';
import { parseArgs } from 'node:util';
import {
  collect, compileOne, manyShapes, measure, nextTask, residentBytes, trainingStep,
  type Use,
} from './support/growth.ts';

/**
 * Bytes by which either may grow: by what the engine learns of the code, and by programs that are
 * dropped and not yet collected when others are made. All that are dropped would take 20 MB.
 */
const SLACK: Use = { heap: 3e6, programs: 4e6 };

/**
 * The most that a process may have after all shapes, as a multiple of what it had after a tenth.
 */
const MOST_GROWTH = 1.1;

const defaults = { shapes: 2000, steps: 10_000, programs: 10_000, seconds: 120 };

function readSettings(): typeof defaults {
  const names = Object.keys(defaults) as (keyof typeof defaults)[];
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
  const given: Record<string, unknown> = parseArgs({ options }).values;
  const sizes = names.map((name) => {
    const size = Number(given[name] ?? defaults[name]);
    if (Number.isInteger(size) && size >= 1) return [name, size] as const;
    throw new Error(`--${name} takes a whole number from 1, not '${String(given[name])}'`);
  });
  return Object.fromEntries(sizes) as typeof defaults;
}

/** Does the work so often, for at most so long, reports, and gives whether memory grew. */
async function watch(
  name: string,
  work: (number: number) => void,
  count: number,
  seconds: number,
): Promise<boolean> {
  const end = performance.now() + 1000 * seconds;
  const report = async (done: number): Promise<Use> => {
    const use = await measure();
    const [heap, programs] = [use.heap, use.programs].map((bytes) => (bytes / 1e6).toFixed(2));
    const place = `${String(done).padStart(6)} ${name}`;
    console.log(`${place}   heap ${heap.padStart(7)} MB   programs ${programs.padStart(7)} MB`);
    return use;
  };
  const uses = [await report(0)];
  let done = 0;
  for (const part of [0.1, 0.5, 1]) {
    for (; done < part * count && performance.now() < end; done++) {
      work(done);
      if (done % 50 === 0) await nextTask();
    }
    uses.push(await report(done));
  }
  const [, before, , after] = uses;
  return after.heap > before.heap + SLACK.heap || after.programs > before.programs + SLACK.programs;
}

/**
 * Calls a function with so many shapes, reports, and gives whether resident memory grew. They come
 * in random order, or memory would grow with their sizes.
 */
async function watchShapes(count: number): Promise<boolean> {
  const call = manyShapes();
  const report = async (done: number): Promise<number> => {
    const bytes = await residentBytes();
    const place = `${String(done).padStart(6)} shapes`;
    console.log(`${place}     resident ${(bytes / 1e6).toFixed(2).padStart(7)} MB`);
    return bytes;
  };
  const resident: number[] = [];
  const order = permutation(count, new Generator(1)).data;
  for (let done = 0; done < count; done++) {
    call(order[done]);
    // The engine lets modules lie that nobody has, for as long as its own heap has room. It gets
    // to collect them at this pace from the start, so that no more lie at the end than at a tenth.
    if (done % 100 === 0) await collect();
    if (done + 1 === Math.ceil(count / 10)) resident.push(await report(done + 1));
  }
  const growth = (await report(count)) / resident[0];
  console.log(
    `resident memory after ${count} shapes, against a tenth of them: ${growth.toFixed(3)}`,
  );
  return growth > MOST_GROWTH;
}

try {
  const { shapes, steps, programs, seconds } = readSettings();
  const isLarger = await watchShapes(shapes);
  const step = trainingStep();
  const hasGrown = [
    isLarger,
    await watch('steps', step, steps, seconds / 2),
    await watch('programs', compileOne, programs, seconds / 2),
  ];
  if (hasGrown.includes(true)) {
    console.error('memory grew');
    process.exitCode = 1;
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
