/**
 * How a matrix product y = a·b is partitioned into chunks for threads. There are four strategies:
 *
 *     gemv      few rows, and columns of b that are contiguous: b is read in place (gemv.ts)
 *     splitM    many rows: b is packed once, for all chunks; a chunk computes some rows
 *     splitK    few rows and a long sum: a chunk sums over some k, and the partial sums are reduced
 *     splitN    else: a chunk packs its own panels of b, and computes some columns
 *
 * The gradient of a weight is a sum over all steps of all sequences: it is split along k.
 */
import type { Buffer, Operand } from '../language/expression.ts';
import { least, plus, times } from '../language/indexArithmetic.ts';
import { scratch } from '../language/memory.ts';
import { add, mul } from '../language/operations.ts';
import {
  type Interval, intervalOf, loop, parallel, type Statements,
} from '../language/statement.ts';
import { sum } from '../math/sums.ts';
import { type Partition, partition, reducePartials } from '../parallel/chunks.ts';
import {
  applyEpilogue, type GemmPart, type GemmPlan, isContiguousAlong, KC_UNIT, MC, multiplyPart,
  packPanels, planGemm, type Product, rowsIn, scaleInterval,
} from './gemm.ts';
import { gemv, GEMV_ROWS } from './gemv.ts';
import { NR, type Result } from './microkernel.ts';
import type { Panels } from './packing.ts';

/** The most numbers of b that are packed at once, and the most partial sums that are kept. */
const MOST_KEPT = 2 ** 22;
/** How many multiplications with additions take as long as one operation elsewhere. */
export const MULTIPLY_ADDS_PER_OPERATION = 8;

/**
 * y = a·b, as the statements of a kernel. A product that `isPart` of a kernel's chunk is not
 * partitioned itself.
 */
export function multiply(given: Product, isPart = false): Statements {
  const { rows, columns } = given;
  const complete = given.epilogue && rowsIn(scratch('y', 'f32', rows * columns), columns);
  const product = { ...given, ...complete };
  const { strategy, gemm: plan } = planMultiply(product, isPart);
  if (plan === undefined) return gemv(product, isPart);
  if (strategy === 'splitM') return splitM(plan);
  if (strategy === 'splitN') return splitN(plan, isPart);
  const split = partitionDepth(product);
  return split.chunks === 1 ? splitN(plan, true) : splitK(plan, split);
}

/** How a product is partitioned; see above. */
export type MultiplyStrategy = 'gemv' | 'splitM' | 'splitK' | 'splitN';

/** What is decided before any loop of a product is written. */
export interface MultiplyPlan {
  /** How the product is partitioned. */
  readonly strategy: MultiplyStrategy;
  /** How the product is blocked and packed; undefined for few rows, which `gemv` computes. */
  readonly gemm: GemmPlan | undefined;
  /** The number of blocks of rows in a chunk of `splitM`. */
  readonly blocksPerChunk: number;
}

/** The plan by which `multiply` computes a product. */
export function planMultiply(product: Product, isPart = false): MultiplyPlan {
  const strategy = strategyOf(product, isPart);
  const gemm = strategy === 'gemv' ? undefined : planGemm(product);
  const blocksPerChunk = gemm === undefined ? 0 : partitionRows(gemm).largest;
  return { strategy, gemm, blocksPerChunk };
}

/** The chunks of a product of many rows, each of some blocks of them. */
function partitionRows({ product, rowBlocks }: GemmPlan): Partition {
  return partition([rowBlocks], workOf(product, rowBlocks));
}

function strategyOf({ b, rows, columns, depth }: Product, isPart: boolean): MultiplyStrategy {
  const hasContiguousColumns = depth >= 4 && isContiguousAlong((at) => b(at, 0));
  if (rows <= GEMV_ROWS && hasContiguousColumns) return 'gemv';
  if (isPart) return 'splitN';
  const hasRows = (blocks: number): boolean => rows >= blocks * MC && depth * columns <= MOST_KEPT;
  const partialSums = Math.ceil(depth / KC_UNIT) * rows * columns;
  if (hasRows(8)) return 'splitM';
  if (depth >= 4 * KC_UNIT && partialSums <= MOST_KEPT) return 'splitK';
  return hasRows(4) ? 'splitM' : 'splitN';
}

/** The number of operations of one of several equal parts of a product. */
function workOf({ rows, columns, depth }: Product, parts: number): number {
  return (rows * columns * depth) / parts / MULTIPLY_ADDS_PER_OPERATION;
}

/** Packs all of b in one parallel loop, and computes blocks of rows in another. */
function splitM(plan: GemmPlan): Statements {
  const { product, compensation } = plan;
  const { depth, columns, epilogue } = product;
  const buffer = scratch('b', 'f32', depth * plan.panels * NR);
  const packedB: Panels = { buffer, height: depth, firstRow: 0, firstColumn: 0 };
  const resultBlock = scratch('y', 'f32', MC * columns);
  const [depths, panels] = [{ from: 0, to: depth }, { from: 0, to: plan.panels }];
  const packing = partition([plan.panels], (depth * columns) / plan.panels);
  const computing = partitionRows(plan);
  const computeRows = (rowBlocks: Interval, result?: Result): Statements =>
    forDepthBlocks(depths, plan, (range) =>
      multiplyPart(plan, { rowBlocks, panels, packedB, compensation, result, ...range }),
    );
  return [
    parallel('chunk', packing.chunks, (chunk) =>
      packPanels(plan, packedB, intervalOf(packing.rangesOf(chunk)[1]), depths),
    ),
    parallel('chunk', computing.chunks, (chunk) => {
      const blocks = intervalOf(computing.rangesOf(chunk)[1]);
      if (!epilogue || plan.blockDepth === depth) return computeRows(blocks);
      // Between blocks of k, sums wait in memory: those of one block of rows stay in the cache.
      return loop('rows', blocks, (block) => {
        const result = { ...rowsIn(resultBlock, columns, mul(block, MC)), epilogue };
        return computeRows({ from: block, to: add(block, 1) }, result);
      });
    }),
  ];
}

/** The chunks of a product that is split along k; large enough to outweigh the reduction. */
function partitionDepth(product: Product): Partition {
  const units = Math.ceil(product.depth / KC_UNIT);
  const overhead = product.rows * product.columns * MULTIPLY_ADDS_PER_OPERATION;
  return partition([units], workOf(product, units), { overhead });
}

/** Each chunk sums over some k into a row of partial sums; then these are reduced. */
function splitK(plan: GemmPlan, { chunks, rangesOf }: Partition): Statements {
  const { product } = plan;
  const { rows, columns, depth, y, epilogue } = product;
  const size = rows * columns;
  const partials = scratch('sums', 'f32', chunks * size);
  const buffer = scratch('b', 'f32', plan.blockDepth * plan.panels * NR);
  const finishing = partition([rows], 4 * columns);
  const isOneUnit = chunks === Math.ceil(depth / KC_UNIT);
  return [
    parallel('chunk', chunks, (chunk) => {
      const start = mul(chunk, size);
      const indexOf = (row: Operand, column: Operand): Operand =>
        plus(plus(start, times(row, columns)), column);
      const depths = scaleInterval(intervalOf(rangesOf(chunk)[1]), KC_UNIT, depth);
      const panels = { from: 0, to: plan.panels };
      return packAndMultiply(plan, buffer, panels, depths, { y: partials, indexOf }, isOneUnit);
    }),
    reducePartials({ buffer: partials, count: chunks, length: size, stride: size }, sum, y),
    !epilogue ? [] : parallel('chunk', finishing.chunks, (chunk) =>
      applyEpilogue(product, columns, finishing.rangesOf(chunk)[1]),
    ),
  ];
}

/** Each chunk packs some panels of b and computes their columns. */
function splitN(plan: GemmPlan, isPart: boolean): Statements {
  const { product, blockDepth } = plan;
  const work = isPart ? 0 : workOf(product, plan.panels);
  const { chunks, rangesOf } = partition([plan.panels], work, { multipleOf: 8 });
  const buffer = scratch('b', 'f32', blockDepth * plan.panels * NR);
  return parallel('chunk', chunks, (chunk) => {
    const panels = intervalOf(rangesOf(chunk)[1]);
    return packAndMultiply(plan, buffer, panels, { from: 0, to: product.depth });
  });
}

/** Computes all rows for some panels, which are packed block by block of k if that is worth it. */
function packAndMultiply(
  plan: GemmPlan, buffer: Buffer, panels: Interval, depths: Interval,
  result?: Result, isOneBlock = false,
): Statements {
  const rowBlocks = { from: 0, to: plan.rowBlocks };
  // A partial sum has few chains.
  const compensation = result ? undefined : plan.compensation;
  const [firstColumn, height] = [times(panels.from, NR), plan.blockDepth];
  return forDepthBlocks(depths, plan, (range) => {
    const packed = { buffer, height, firstRow: range.depths.from, firstColumn };
    const packedB = plan.packsB ? packed : undefined;
    return [
      packedB ? packPanels(plan, packedB, panels, range.depths) : [],
      multiplyPart(plan, { rowBlocks, panels, packedB, compensation, result, ...range }),
    ];
  }, isOneBlock);
}

/** Calls the body for each block of an interval of k; the first block begins the sums. */
function forDepthBlocks(
  { from, to }: Interval, { blockDepth }: GemmPlan,
  body: (range: Pick<GemmPart, 'depths' | 'isFirst' | 'isLast'>) => Statements,
  isOneBlock = false,
): Statements {
  if (isOneBlock || (from === 0 && to === blockDepth)) {
    return body({ depths: { from, to }, isFirst: true, isLast: true });
  }
  const block = (start: Operand, isFirst: boolean, isLast: boolean): Statements => {
    const depths = { from: start, to: least(plus(start, blockDepth), to) };
    return body({ depths, isFirst, isLast });
  };
  // The end is known, unless the sums are partial: these need not know their last block.
  const last = typeof to === 'number' ? (Math.ceil(to / blockDepth) - 1) * blockDepth : to;
  return [
    block(from, true, false),
    loop('block', { from: plus(from, blockDepth), to: last, step: blockDepth }, (start) =>
      block(start, false, false),
    ),
    last === to ? [] : block(last, false, true),
  ];
}
