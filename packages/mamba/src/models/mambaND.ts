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
  boolean, callable, checkArgument, oneOf, readOptions, type Table, tensors, whole,
} from '@mambagrad/tensor/options';
import { sequenceLayers } from '../layers/residual.ts';
import {
  alternatingOrder, crossOrders, inverseOrder, permutationOf, rasterOrder, reverseOrder,
  type ScanOrder,
} from '../sequence/scanOrder.ts';
import { clearPadding, requireShapes, type SequenceLayer } from '../sequence/sequence.ts';

/** Options of `MambaND`: the orders in which the grid is scanned. */
export interface MambaNDOptions {
  /** Whether a second core scans in reverse, and its results are added. Default false. */
  readonly bidirectional?: boolean | undefined;
  /**
   * 'raster', row by row; 'alternating', an order that depends on `layer`; 'cross', along rows and
   * along columns, forwards and backwards, with four cores; or a custom order. Default 'raster'.
   */
  readonly order?: 'raster' | 'alternating' | 'cross' | ScanOrder | undefined;
  /** The index of the layer in a stack, which selects the alternating order. Default 0. */
  readonly layer?: number | undefined;
}

const mambaNDOptions = {
  bidirectional: boolean.orElse(false),
  order: oneOf('raster', 'alternating', 'cross').or(callable<ScanOrder>()).orElse('raster'),
  layer: whole().orElse(0),
} satisfies Table<MambaNDOptions>;

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
    const { bidirectional, order, layer } = readOptions(op, options, mambaNDOptions);
    const named = {
      raster: [rasterOrder], alternating: [alternatingOrder(layer)], cross: crossOrders,
    };
    const orders = typeof order === 'string' ? named[order] : [order];
    const isReversible = bidirectional && orders.length === 1;
    this.#orders = isReversible ? [...orders, reverseOrder(orders[0])] : orders;
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
