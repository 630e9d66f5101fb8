/**
 * A sequence layer for images, volumes and grids of any number of axes. The cells of the grid are
 * arranged as a sequence, which goes through the layer, and the results are arranged as a grid
 * again. A scan depends only on earlier cells, so the results of several orders, with a layer for
 * each, can be summed:
 *
 *     y = Σᵢ orderᵢ⁻¹(coreᵢ(orderᵢ(x)))
 */
import { Module } from '@mambagrad/nn';
import { describe, type Tensor, tensor, TensorError } from '@mambagrad/tensor';
import {
  boolean, callable, checkArgument, listOf, oneOf, readOptions, type Table, tensors, whole,
} from '@mambagrad/tensor/options';
import { sequenceLayers } from '../layers/residual.ts';
import {
  alternatingOrder, columnOrder, crossOrders, hilbertOrder, inverseOrder, permutationOf,
  rasterOrder, reverseOrder, type ScanOrder, zigzagOrder,
} from '../sequence/scanOrder.ts';
import { clearPadding, requireShapes, type SequenceLayer } from '../sequence/sequence.ts';

/**
 * 'raster', row by row; 'column', column by column; 'zigzag', row by row there and back; 'hilbert',
 * along Hilbert's curve; 'alternating', an order that depends on `layer`; or 'cross', four orders,
 * along rows and along columns, forwards and backwards.
 */
export type ScanOrderName = 'raster' | 'column' | 'zigzag' | 'hilbert' | 'alternating' | 'cross';

/** Options of `MambaND`: the orders in which the grid is scanned. */
export interface MambaNDOptions {
  /** Whether other cores scan in reverse, and their results are added. Default false. */
  readonly bidirectional?: boolean | undefined;
  /** The order, by its name or as a function. Default 'raster'. */
  readonly order?: ScanOrderName | ScanOrder | undefined;
  /** Several orders instead, with a core for each. Default `order` alone. */
  readonly orders?: readonly (ScanOrderName | ScanOrder)[] | undefined;
  /** The index of the layer in a stack, which selects the alternating order. Default 0. */
  readonly layer?: number | undefined;
}

const scanOrders = oneOf('raster', 'column', 'zigzag', 'hilbert', 'alternating', 'cross')
  .or(callable<ScanOrder>());

const mambaNDOptions = {
  bidirectional: boolean.orElse(false),
  order: scanOrders.optional(),
  orders: listOf(scanOrders).optional(),
  layer: whole().orElse(0),
} satisfies Table<MambaNDOptions>;

/** The orders that the options of a `MambaND` ask for. Throws in the name of `op` if none. */
function ordersOf(op: string, options: MambaNDOptions): readonly ScanOrder[] {
  const given = readOptions(op, options, mambaNDOptions);
  const { bidirectional, order = 'raster', orders = [order], layer } = given;
  if (given.order && given.orders) {
    throw new TensorError(`${op}: both order and orders are given, expected one of them`);
  }
  if (orders.length === 0) throw new TensorError(`${op}: orders is [], expected at least one`);
  const named: Readonly<Record<ScanOrderName, readonly ScanOrder[]>> = {
    raster: [rasterOrder], column: [columnOrder], zigzag: [zigzagOrder], hilbert: [hilbertOrder],
    alternating: [alternatingOrder(layer)], cross: crossOrders,
  };
  return orders.flatMap((one) => {
    const found = typeof one === 'string' ? named[one] : [one];
    // Those of 'cross' go both ways already.
    return bidirectional && found.length === 1 ? [found[0], reverseOrder(found[0])] : found;
  });
}

/** Which cells of a grid are padding. */
export interface GridFlags {
  /** i32 [batch, ...spatial], 0 at padding: such cells may hold anything, and affect no others. */
  readonly mask?: Tensor | undefined;
}

const gridFlags = { mask: tensors.optional() } satisfies Table<GridFlags>;

/** Maps a grid [batch, ...spatial, channels] to the same shape: a sum over cores and orders. */
export class MambaND<Core extends SequenceLayer = SequenceLayer> extends Module {
  /** A layer for each order in which the grid is scanned */
  readonly cores: readonly Core[];
  readonly #orders: readonly ScanOrder[];

  /** `createCore` makes a layer from [batch, length, channels] to the same shape. */
  constructor(createCore: () => Core, options: MambaNDOptions = {}) {
    super();
    const op = new.target.name;
    checkArgument(op, 'createCore', createCore, callable());
    this.#orders = ordersOf(op, options);
    this.cores = this.#orders.map(() => createCore());
    for (const core of this.cores) {
      checkArgument(op, 'the result of createCore', core, sequenceLayers);
    }
  }

  /** The core that scans in the first order. */
  get core(): Core {
    return this.cores[0];
  }

  /** The core that scans in the second order, the reverse. Throws if there is only one. */
  get coreReverse(): Core {
    if (this.cores.length > 1) return this.cores[1];
    throw new TensorError('MambaND: there is no coreReverse; make it with bidirectional: true');
  }

  /** Maps x [batch, ...spatial, channels], with at least one spatial axis, to the same shape. */
  forward(x: Tensor, flags: GridFlags = {}): Tensor {
    const { mask } = readOptions('MambaND', flags, gridFlags);
    checkArgument('MambaND', 'x', x, tensors);
    const [batch, ...spatial] = x.shape.slice(0, -1);
    if (spatial.length === 0) {
      throw new TensorError(`MambaND: x is ${describe(x)}, expected [batch, ...spatial, channels]`);
    }
    requireShapes('MambaND', 'i32', { mask: [mask, [batch, ...spatial]] });
    const length = spatial.reduce((product, size) => product * size, 1);
    const flatMask = mask?.reshape([batch, length]);
    const cells = clearPadding(x.reshape([batch, length, x.shape[x.ndim - 1]]), flatMask);
    const outputs = this.#orders.map((order, i) => {
      const permutation = permutationOf('MambaND', order, spatial);
      const coreFlags = flatMask && { mask: permute(flatMask, permutation) };
      const y = this.cores[i].forward(permute(cells, permutation), coreFlags);
      return permute(y, inverseOrder(permutation));
    });
    return outputs.reduce((sum, output) => sum.add(output)).reshape(x.shape);
  }
}

/** The steps of x [batch, length, ...] in the order of a permutation. */
function permute(x: Tensor, permutation: readonly number[]): Tensor {
  if (permutation.every((from, to) => from === to)) return x;
  return x.indexSelect(1, tensor(Int32Array.from(permutation)));
}
