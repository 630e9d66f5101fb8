/**
 * Threads over time: who did which chunk of the two parallel loops of a matrix product, recorded
 * from a real run. A thread claims chunks of its own range first; then it steals from the others'.
 * A loop begins with a fork, and is over at its join, when all chunks are done.
 */
import { box, type Color, line, type Mark, picture, text, WIDTH } from './kit.ts';
import { recording } from './threadsRecording.ts';

/** A chunk that was done, in microseconds since the start of the first one. */
export interface RecordedChunk {
  /** The number of the parallel loop, and of the chunk in it. */
  readonly loop: number;
  readonly chunk: number;
  readonly thread: number;
  readonly from: number;
  readonly to: number;
}

/** A run of a program with parallel loops. */
export interface ThreadsRecording {
  /** The number of chunks of each loop. */
  readonly loops: readonly number[];
  readonly threads: number;
  readonly chunks: readonly RecordedChunk[];
}

/** A recording, and the time up to which it is shown. */
export interface ThreadsTimelineOptions {
  readonly run?: ThreadsRecording;
  /** In per cent of the whole. Default 100. */
  readonly until?: number;
}

/** The thread whose range a chunk is in: each has an equal part of the loop. */
export function ownerOf(chunk: number, chunks: number, threads: number): number {
  const starts = Array.from({ length: threads }, (_, i) => Math.floor(chunks * i / threads));
  return starts.findLastIndex((start) => start <= chunk);
}

const [LEFT, RIGHT, TOP, LANE, BAR] = [78, 14, 92, 52, 34];

/** Draws a lane for each thread, time from left to right. */
export function draw({ run = recording, until = 100 }: ThreadsTimelineOptions = {}): string {
  const end = Math.max(...run.chunks.map(({ to }) => to));
  const now = end * until / 100;
  const at = (time: number): number => LEFT + (WIDTH - LEFT - RIGHT) * time / end;
  const shown = run.chunks.filter(({ from }) => from <= now);
  const stolen = (each: RecordedChunk): boolean =>
    ownerOf(each.chunk, run.loops[each.loop], run.threads) !== each.thread;
  const bottom = TOP + run.threads * LANE;
  const count = shown.filter(stolen).length;
  const summary = `${shown.length} chunks, ${count} of them stolen`;
  return picture({
    height: bottom + 60,
    title: `${run.threads} threads share two loops of a matrix product`,
    description: `${summary}, in ${Math.round(now)} microseconds. ` +
      Array.from({ length: run.threads }, (_, thread) =>
        `Thread ${thread} did ${shown.filter((each) => each.thread === thread).length}`).join(', '),
  }, [
    text(14, 20, summary, { class: 'bold' }),
    ...legend(),
    ...Array.from({ length: run.threads }, (_, thread) =>
      text(14, TOP + thread * LANE + BAR / 2, `thread ${thread}`, { class: 'small' })),
    ...shown.map((each) => drawChunk(each, Math.min(each.to, now), stolen(each), at)),
    ...loopMarks(run, now, at, bottom),
    ...(until < 100 ? [line([[at(now), TOP - 6], [at(now), bottom]], { color: 'ink' })] : []),
    text(WIDTH - RIGHT, bottom + 44, `${Math.round(end)} µs`, {
      anchor: 'end', class: 'small', color: 'quiet',
    }),
  ]);
}

/** A chunk in the lane of its thread, up to a time. */
function drawChunk(
  { chunk, thread, from }: RecordedChunk, to: number, isStolen: boolean,
  at: (time: number) => number,
): Mark {
  const color: Color = isStolen ? 'c1' : 'c0';
  const x = at(from);
  const place = { x, y: TOP + thread * LANE, width: Math.max(at(to) - x - 0.6, 0.4), height: BAR };
  const name = String(chunk);
  const label = place.width < 7.6 * name.length + 1.5 ? '' : text(
    place.x + place.width / 2, place.y + BAR / 2, name, { anchor: 'middle', class: 'small', color },
  );
  return box(place, { outline: color, fill: color, class: 'thin' }) + label;
}

/** The fork of each loop, its join, and its name below. */
function loopMarks(
  { loops, chunks }: ThreadsRecording, now: number, at: (time: number) => number, bottom: number,
): Mark[] {
  return loops.flatMap((count, loop) => {
    const own = chunks.filter((each) => each.loop === loop);
    const [fork, join] = [
      Math.min(...own.map(({ from }) => from)), Math.max(...own.map(({ to }) => to)),
    ];
    const upright = (time: number): Mark[] => time > now ? []
      : [line([[at(time), TOP - 6], [at(time), bottom + 2]], { color: 'quiet', class: 'dashed' })];
    const words = loop === 0 ? 'pack b' : `multiply: ${count} chunks`;
    const middle = (at(fork) + at(join)) / 2;
    // Where there is room for them.
    const ends = loop < loops.length - 1 ? [] : [
      text(at(fork) + 4, TOP - 14, 'fork', { class: 'small', color: 'quiet' }),
      text(at(join), TOP - 14, 'join', { anchor: 'end', class: 'small', color: 'quiet' }),
    ];
    return [
      ...upright(fork), ...upright(join), ...ends,
      text(middle, bottom + 18, words, { anchor: 'middle', class: 'small', color: 'quiet' }),
    ];
  });
}

function legend(): Mark[] {
  return [
    box({ x: 14, y: 38, width: 14, height: 14 }, { outline: 'c0', fill: 'c0', class: 'thin' }),
    text(34, 45, 'from its own range', { class: 'small' }),
    box({ x: 180, y: 38, width: 14, height: 14 }, { outline: 'c1', fill: 'c1', class: 'thin' }),
    text(200, 45, "stolen from another's", { class: 'small' }),
  ];
}
