/** The pictures: files equal what their code draws, and what is drawn is well made and true. */
import { readdirSync, readFileSync } from 'node:fs';
import { buffer, kernel, load, multiply, plus, printKernel, times } from '@mambagrad/kernel';
import { discreteSSD, selectiveScan } from '@mambagrad/mamba';
import {
  associativeScan, compile, full, grad, normal, type ScanAlgorithm, scanPairs, tensor, type Tensor,
  type Tensors,
} from '@mambagrad/tensor';
import { sameShape } from '@mambagrad/tensor/extend';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { draw as drawBroadcasting } from '../../scripts/pictures/src/broadcasting.ts';
import { draw as drawExpression } from '../../scripts/pictures/src/expressionGraph.ts';
import { runLayer } from '../../scripts/pictures/src/mambaBlock.ts';
import { draw as drawTiles, planOf, tilesOf } from '../../scripts/pictures/src/matmulTiles.ts';
import { pictures } from '../../scripts/pictures/src/pictures.ts';
import { recording } from '../../scripts/pictures/src/rememberedRecording.ts';
import { bytesOf } from '../../scripts/pictures/src/scanMemory.ts';
import { draw as drawOrders } from '../../scripts/pictures/src/scanOrders.ts';
import { combinesOf, draw as drawTrees } from '../../scripts/pictures/src/scanTrees.ts';
import { chunkOf, inputsOf, mixed } from '../../scripts/pictures/src/ssdChunk.ts';
import { matrixOf } from '../../scripts/pictures/src/ssdMatrix.ts';
import { record, recordingFile } from '../../scripts/pictures/src/threadsRecorder.ts';
import { recording as threads } from '../../scripts/pictures/src/threadsRecording.ts';
import { ownerOf, type ThreadsRecording } from '../../scripts/pictures/src/threadsTimeline.ts';
import { draw as drawTraining } from '../../scripts/pictures/src/trainingLoss.ts';
import { run, STEPS } from '../../scripts/pictures/src/trainingRun.ts';
import { expectWellMade } from '../support/picture.ts';

const docs = new URL('../../docs/', import.meta.url);
const drawn = await Promise.all(
  Object.entries(pictures).map(async ([name, draw]) => [name, await draw()] as const),
);
const algorithms: readonly ScanAlgorithm[] = ['sequential', 'hillisSteele', 'blelloch', 'chunked'];

describe('the files', () => {
  test.each(drawn)('%s is what its code draws', (name, svg) => {
    // If this fails: npm run pictures.
    expect(readFileSync(new URL(`pictures/${name}.svg`, docs), 'utf8')).toBe(svg);
  });

  test('are these alone, and each is shown in a chapter', () => {
    const names = Object.keys(pictures);
    const files = readdirSync(new URL('pictures', docs)).filter((file) => file.endsWith('.svg'));
    expect(files.sort()).toEqual(names.map((name) => `${name}.svg`).sort());
    const pages = readdirSync(docs).filter((file) => file.endsWith('.md'));
    const text = pages.map((page) => readFileSync(new URL(page, docs), 'utf8')).join('\n');
    const shown =
      Array.from(text.matchAll(/!\[[^\]]{10,}\]\(pictures\/([\w-]+)\.svg\)/g), ([, name]) => name);
    expect(shown.sort()).toEqual(names.sort());
  });
});

describe('every picture', () => {
  test.each(drawn)('%s is well-formed, described, and within its frame', (_, svg) => {
    expectWellMade(svg);
  });

  test('is drawn in colours of the two sets alone', () => {
    const [, svg] = drawn[0];
    const classes = new Set(Array.from(svg.matchAll(/\.([fsp]-\w+)\{/g), ([, name]) => name));
    for (const [, text] of drawn) {
      const body = text.slice(text.indexOf('</style>'));
      expect(body.match(/ (?:fill|stroke|style)="/)).toBeNull();
      const used =
        Array.from(body.matchAll(/class="([^"]*)"/g), ([, list]) => list.split(' ')).flat();
      expect(used.filter((name) => /^[fsp]-/.test(name) && !classes.has(name))).toEqual([]);
    }
  });
});

describe('scan trees', () => {
  test('at any length each step ends as the composite of all steps up to it', () => {
    fc.assert(fc.property(fc.nat(33), fc.integer({ min: 1, max: 9 }), (length, chunkSize) => {
      for (const algorithm of algorithms) {
        const first = Array.from({ length }, (_, t) => t);
        for (const { later: [t], first: from } of combinesOf(algorithm, length, chunkSize)) {
          first[t] = from;
        }
        expect(first).toEqual(new Array(length).fill(0));
      }
      expectWellMade(drawTrees({ length, chunkSize }));
    }), { numRuns: 12 });
  });

  test('combine neighbours in time, made in earlier rounds', () => {
    fc.assert(fc.property(fc.nat(40), fc.integer({ min: 1, max: 9 }), (length, chunkSize) => {
      for (const algorithm of algorithms) {
        for (const { earlier, later, round } of combinesOf(algorithm, length, chunkSize)) {
          const isInOrder = earlier[0] < later[0] && Math.max(earlier[1], later[1]) === round - 1;
          if (!isInOrder) expect({ earlier, later, round }).toBe('in order');
        }
      }
    }));
  });

  test('are the combines that associativeScan makes', () => {
    fc.assert(fc.property(fc.nat(33), (length) => {
      for (const algorithm of ['blelloch', 'hillisSteele'] as const) {
        // Elements are intervals; combining two that are not neighbours would be seen.
        const made: string[] = [];
        const bounds = tensor(Float32Array.from({ length }, (_, t) => t));
        associativeScan(([first, end], [next, last]) => {
          first.data.forEach((from, i) => {
            if (next.data[i] !== end.data[i] + 1) {
              throw new Error(`${end.data[i]} before ${next.data[i]}`);
            }
            made.push(`${from}–${last.data[i]}`);
          });
          return [first, last];
        }, [bounds, bounds], { algorithm });
        const drawnOnes =
          combinesOf(algorithm, length, 1).map(({ first, later: [t] }) => `${first}–${t}`);
        expect(drawnOnes.sort()).toEqual(made.sort());
      }
    }), { numRuns: 30 });
  });

  test('scanPairs refuses what is no scan', () => {
    expect(() => scanPairs('tree' as never, 4)).toThrow("scanPairs: algorithm is 'tree', expected");
    expect(() => scanPairs('blelloch', -1)).toThrow('scanPairs: length is -1, expected');
    expect(() => scanPairs('chunked', 4, 0)).toThrow('scanPairs: chunkSize is 0, expected');
  });
});

test('pictures of other values are well made', () => {
  expectWellMade(
    drawExpression({ leaves: { a: 3 }, expression: ({ a }) => a.mul(a).exp().add(a) }),
  );
  expectWellMade(drawBroadcasting({ a: tensor([[1, 2], [3, 4]]), b: tensor([[5], [6]]) }));
  expectWellMade(drawOrders({ size: [5, 9] }));
});

test('the recording of a memory is complete', () => {
  const { signs, factors, kept, influence } = recording;
  expect(factors.filter((row) => row.length !== signs.length || !/^[a-y]+$/.test(row))).toEqual([]);
  expect(kept).toHaveLength(signs.replaceAll(/[·?]/g, '').length);
  for (const { from, left } of kept) {
    expect(from + left.length).toBe(signs.length);
    // Nothing is written again, so shares only fall.
    expect(left).toEqual([...left].sort((a, b) => b - a));
  }
  expect(influence.map((row) => Math.max(...row))).toEqual(signs.match(/\?/g)?.map(() => 100));
});

test('blocks of the SSD matrix between chunks have the rank of the state', () => {
  const [length, chunk] = [12, 4];
  const M = matrixOf(length, 2, 3);
  expect(sameShape(M.shape, [length, length])).toBe(true);
  const at = (t: number, s: number): number => M.data[t * length + s];
  // Every 3 × 3 minor of a block vanishes if its rank is 2, and none does on the diagonal.
  const minor = (t: number, s: number): number =>
    at(t, s) * (at(t + 1, s + 1) * at(t + 2, s + 2) - at(t + 1, s + 2) * at(t + 2, s + 1)) -
    at(t, s + 1) * (at(t + 1, s) * at(t + 2, s + 2) - at(t + 1, s + 2) * at(t + 2, s)) +
    at(t, s + 2) * (at(t + 1, s) * at(t + 2, s + 1) - at(t + 1, s + 1) * at(t + 2, s));
  for (const [i, j] of [[1, 0], [2, 0], [2, 1]]) {
    expect(Math.abs(minor(i * chunk, j * chunk))).toBeLessThan(1e-15);
  }
  expect(Math.abs(minor(0, 0))).toBeGreaterThan(1e-6);
});

test('the matrices of a chunk have the outputs and the state that the kernel of SSD has', () => {
  for (const chunkSize of [1, 2, 3, 4]) {
    for (const stateSize of [1, 2, 3]) {
      const { X, B, C, H } = inputsOf(chunkSize, stateSize);
      const { Y, end } = chunkOf(chunkSize, stateSize);
      const { y, lastState } = discreteSSD(
        X.reshape([1, chunkSize, 1, 2]), full([1, chunkSize, 1], Math.log(0.5)),
        B.reshape([1, chunkSize, 1, stateSize]), C.reshape([1, chunkSize, 1, stateSize]),
        { initialState: H.transpose(0, 1).reshape([1, 1, 2, stateSize]) },
      );
      expect(y.reshape([chunkSize, 2]).sub(Y).abs().max().item()).toBeLessThan(1e-4);
      expect(lastState.reshape([2, stateSize]).transpose(0, 1).sub(end).abs().max().item())
        .toBeLessThan(1e-4);
    }
  }
  // As chapter 22 begins: the state 12, and two more inputs of 8.
  expect(Array.from(chunkOf(2, 1).Y.narrow(1, 0, 1).data)).toEqual([14, 15]);
  expect([0, 12, 2.5, 0.125, 0.0625, 70.25].map(mixed)).toEqual(
    ['0', '12', '2½', '⅛', '1/16', '70¼'],
  );
});

test('the bytes of a scan are those of the programs that compute it', () => {
  const [B, L, D, N] = [2, 96, 8, 4];
  const bytes = bytesOf({ B, L, D, N, chunkSize: 32 });
  const inputs = [
    normal([B, L, D]), normal([B, L, D]).square(), normal([D, N]).exp().neg(), normal([B, L, N]),
    normal([B, L, N]),
  ]
    .map((input) => input.detach());
  for (const input of inputs) input.requiresGrad = true;
  const kernelsOf = (algorithm: 'fused' | 'sequential', isBackward: boolean) => {
    const program = compile((...given: Tensor[]) => {
      const [u, delta, A, b, C] = given as Tensors;
      const { y } = selectiveScan(u, delta, A, b, C, { algorithm });
      return isBackward ? grad(y.square().sum(), given) : [y];
    });
    program(...inputs);
    return program.kernels();
  };
  const [forward, , backward] = kernelsOf('fused', true);
  const moved = [...forward.reads, ...forward.writes].map(({ shape }) => shape.join());
  const sizeOf = (shape: string): number =>
    4 * shape.split(',').reduce((count, size) => count * Number(size), 1);
  const total = (shape: string, all: readonly string[]): number =>
    all.filter((each) => each === shape).reduce((sum, each) => sum + sizeOf(each), 0);
  expect(total(`${B},${L},${D}`, moved)).toBe(bytes.sequences);
  expect(total(`${B},3,${N},${D}`, moved)).toBe(bytes.starts);
  const composed = kernelsOf('sequential', false)
    .flatMap(({ reads, writes }) => [...reads, ...writes]).map(({ shape }) => shape.join());
  expect(total(`${B},${L},${D},${N}`, composed)).toBe(bytes.states);
  expect(sizeOf(`${B},${L},${D},${N}`)).toBe(bytes.allStates);
  const scratch = Array.from(
    backward.text?.matchAll(/(?:states|decays): f32\[(\d+)\] scratch/g) ?? [],
    ([, size]) => 4 * Number(size),
  );
  expect(scratch).toHaveLength(2);
  expect(scratch[0] + scratch[1]).toBe(bytes.scratch);
});

test('tiles of a matrix product cover each of its products once, within their blocks', () => {
  const sizes = [
    fc.integer({ min: 288, max: 340 }), fc.integer({ min: 9, max: 40 }),
    fc.integer({ min: 1, max: 1300 }),
  ] as const;
  fc.assert(fc.property(...sizes, (rows, columns, depth) => {
    const covered = new Float64Array(rows * columns);
    for (const tile of tilesOf(planOf(rows, columns, depth))) {
      const { rows: [i, endI], panel: [j, endJ], depths: [k, endK], block, chunk } = tile;
      expect(block[0] <= i && endI <= block[1] && chunk[0] <= block[0] && block[1] <= chunk[1])
        .toBe(true);
      for (let row = i; row < endI; row++) {
        for (let column = j; column < endJ; column++) covered[row * columns + column] += endK - k;
      }
    }
    expect(covered.every((count) => count === depth)).toBe(true);
    expectWellMade(drawTiles({ rows, columns, depth, tiles: 7 }));
  }), { numRuns: 8 });
  expect(() => drawTiles({ rows: 3 })).toThrow('expected a product of many rows');
});

test('tiles come in the order of the loops of the kernel', () => {
  const [rows, depth, columns] = [300, 1200, 64];
  const [a, b, y] = [
    buffer('a', 'f32', rows * depth), buffer('b', 'f32', depth * columns),
    buffer('y', 'f32', rows * columns),
  ];
  const product = kernel('product', [a, b, y], multiply({
    a: (i, k) => load(a, plus(times(i, depth), k)),
    b: (k, j) => load(b, plus(times(k, columns), j)),
    y, indexOf: (i, j) => plus(times(i, columns), j), rows, columns, depth,
  }));
  const [, , computing = ''] = printKernel(product).split('parallel for chunk in ');
  const tiles = tilesOf(planOf(rows, columns, depth));
  expect(computing.split('\n')[0]).toBe(`0..${new Set(tiles.map(({ chunk }) => chunk[0])).size}`);
  // Blocks of k are written out: the first, those in the middle, and the last.
  expect(Array.from(computing.matchAll(/for chain in (\w+)\.\./g), ([, from]) => from)).toEqual(
    ['0', 'block', '1024'],
  );
  expect([...new Set(tiles.map(({ depths }) => depths.join()))]).toEqual(
    ['0,512', '512,1024', '1024,1200'],
  );
  const steps = Array.from(computing.matchAll(/ step (\d+)/g), ([, step]) => Number(step));
  // A tile has six rows where multiplication and addition are one instruction.
  expect(steps.slice(0, 4)).toEqual(
    [36, 8, expect.toSatisfy((step) => step === 4 || step === 6), 256],
  );
  const [first] = tiles;
  expect([first.block, first.panel, first.rows]).toEqual([[0, 36], [0, 8], [0, 4]]);
  expect([tiles[1].rows, tiles[9].panel]).toEqual([[4, 8], [8, 16]]);
});

/**
 * Checks that a run of threads did each chunk once, one after the other, and one loop before the
 * next.
 */
function expectComplete({ loops, threads: count, chunks }: ThreadsRecording): void {
  loops.forEach((size, loop) => {
    const own = chunks.filter((each) => each.loop === loop);
    expect(own.map(({ chunk }) => chunk).sort((a, b) => a - b)).toEqual(
      Array.from({ length: size }, (_, i) => i),
    );
    const before = chunks.filter((each) => each.loop < loop).map(({ to }) => to);
    expect(Math.min(...own.map(({ from }) => from))).toBeGreaterThanOrEqual(Math.max(0, ...before));
  });
  for (let thread = 0; thread < count; thread++) {
    const own = chunks.filter((each) => each.thread === thread).sort((a, b) => a.from - b.from);
    own.forEach(({ from, to }, i) => {
      expect(to).toBeGreaterThanOrEqual(from);
      if (i > 0) expect(from).toBeGreaterThanOrEqual(own[i - 1].to);
    });
    // A thread takes the chunks of its own range in order, before it steals.
    const kinds = own.filter(({ loop }) => loop === loops.length - 1)
      .map(({ loop, chunk }) => Number(ownerOf(chunk, loops[loop], count) !== thread));
    expect(kinds).toEqual(kinds.toSorted());
  }
}

test('the recording of threads is complete, and so is a new one', async () => {
  expectComplete(threads);
  const again = await record(20);
  expectComplete(again);
  expect(recordingFile(again)).toContain(`loops: [${again.loops.join(', ')}]`);
});

test('training draws the same whether it goes on or begins anew', () => {
  const whole = drawTraining({ steps: 30, seed: 2 });
  drawTraining({ steps: 12, seed: 3 });
  expect(drawTraining({ steps: 30, seed: 2 })).toBe(whole);
  expectWellMade(drawTraining({ steps: 0 }));
});

test('the parts of a Mamba layer compute what the block computes', () => {
  const sizes = fc.record({
    hiddenSize: fc.integer({ min: 1, max: 20 }), stateSize: fc.integer({ min: 1, max: 6 }),
    expandFactor: fc.integer({ min: 1, max: 3 }), convSize: fc.integer({ min: 1, max: 5 }),
    length: fc.integer({ min: 1, max: 9 }),
  });
  fc.assert(fc.property(sizes, (given) => {
    const { block, norm, tensors: { input, output, u, delta, B, C, lastState } } = runLayer(given);
    expect(block.forward(norm.forward(input)).add(input).sub(output).abs().max().item())
      .toBeLessThan(1e-5);
    const [batch, length, channels] = [2, given.length, given.hiddenSize * given.expandFactor];
    for (const each of [u, delta]) expect(each.shape).toEqual([batch, length, channels]);
    for (const each of [B, C]) expect(each.shape).toEqual([batch, length, given.stateSize]);
    expect(lastState.shape).toEqual(block.initialState(batch).ssm.shape);
  }), { numRuns: 8 });
});

test('a run that is killed ends as an undisturbed one, wherever that happens', async () => {
  // Killed before anything is saved: the second process takes all steps.
  const undisturbed = await run({ killedAt: 1, checkpointEvery: STEPS });
  const whole = undisturbed.processes[1].steps;
  expect(whole.map(({ step }) => step)).toEqual(Array.from({ length: STEPS }, (_, i) => i + 1));
  const settings = fc.record({
    killedAt: fc.integer({ min: 1, max: STEPS - 1 }),
    checkpointEvery: fc.integer({ min: 1, max: 30 }),
  });
  await fc.assert(fc.asyncProperty(settings, async ({ killedAt, checkpointEvery }) => {
    const { processes: [first, second], best, state } = await run({ killedAt, checkpointEvery });
    const count = Math.floor((killedAt - 1) / checkpointEvery);
    expect(first.saved).toEqual(Array.from({ length: count }, (_, i) => (i + 1) * checkpointEvery));
    expect([first.from, second.from]).toEqual([0, count * checkpointEvery]);
    const reported = ({ step, metrics, validation }: (typeof whole)[number]): unknown =>
      ({ step, metrics, validation });
    expect(first.steps.map(reported)).toEqual(whole.slice(0, killedAt).map(reported));
    expect(second.steps.map(reported)).toEqual(whole.slice(second.from).map(reported));
    const losses =
      whole.flatMap(({ validation }) => validation === undefined ? [] : [validation.loss]);
    expect([best, best.value]).toEqual([undisturbed.best, Math.min(...losses)]);
    expect(Array.from(state, ([name, x]) => [name, x.toArray()])).toEqual(
      Array.from(undisturbed.state, ([name, x]) => [name, x.toArray()]),
    );
  }), { numRuns: 6 });
});
