/**
 * A sequence layer for images, volumes and fields of any number of axes: the places are put in a
 * row, go through the layer as a sequence, and are put back. As a scan sees only what came before,
 * several orders, with a layer for each, can be summed:
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
  alternatingOrder, crossOrders, inverseOrder, placesOf, rasterOrder, reverseOrder, type ScanOrder,
} from '../sequence/scanOrder.ts';
import { keepSteps, requireShapes, type SequenceLayer } from '../sequence/sequence.ts';

/** Options of `MambaND`: in which orders the grid is scanned. */
export interface MambaNDOptions {
  /** Whether a second core scans from the end, and is added. Default false. */
  readonly bidirectional?: boolean | undefined;
  /**
   * `raster`, row by row; `alternating`, by the `layer`; `cross`, by rows and by columns, there and
   * back, with four cores; or any other order. Default 'raster'.
   */
  readonly order?: 'raster' | 'alternating' | 'cross' | ScanOrder | undefined;
  /** The place in a stack of layers, from 0, that chooses the alternating order. Default 0. */
  readonly layer?: number | undefined;
}

const mambaNDOptions = {
  bidirectional: boolean.orElse(false),
  order: oneOf('raster', 'alternating', 'cross').or(callable<ScanOrder>()).orElse('raster'),
  layer: whole().orElse(0),
} satisfies Table<MambaNDOptions>;

/** Which places of a grid count. */
export interface GridFlags {
  /** i32 [batch, ...spatial], 0 at padding: such places change no other, and may hold anything. */
  readonly mask?: Tensor | undefined;
}

const gridFlags = { mask: tensors.optional() } satisfies Table<GridFlags>;

/**
 * A grid [batch, ...spatial, channels] to the same shape: the sum over its cores, each in an order.
 */
export class MambaND<Core extends SequenceLayer = SequenceLayer> extends Module {
  /** One for each order in which the grid is scanned */
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
    const one = typeof order === 'string' ? named[order] : [order];
    this.#orders = bidirectional && one.length === 1 ? [...one, reverseOrder(one[0])] : one;
    this.cores = this.#orders.map(() => createCore());
    for (const core of this.cores) {
      checkArgument(op, 'the result of createCore', core, sequenceLayers);
    }
  }

  /** What scans in the (first) order. */
  get core(): Core {
    return this.cores[0];
  }

  /** What scans the same from the end. Throws unless there is one. */
  get coreReverse(): Core {
    if (this.cores.length > 1) return this.cores[1];
    throw new TensorError('MambaND: there is no coreReverse; make it with bidirectional: true');
  }

  /** [batch, ...spatial, channels], with at least one axis of space, to the same shape. */
  forward(x: Tensor, flags: GridFlags = {}): Tensor {
    const { mask } = readOptions('MambaND', flags, gridFlags);
    checkArgument('MambaND', 'x', x, tensors);
    const [batch, ...spatial] = x.shape.slice(0, -1);
    if (spatial.length === 0) {
      throw new TensorError(`MambaND: x is ${describe(x)}, expected [batch, ...spatial, channels]`);
    }
    requireShapes('MambaND', 'i32', { mask: [mask, [batch, ...spatial]] });
    const length = spatial.reduce((product, size) => product * size, 1);
    const counts = mask?.reshape([batch, length]);
    const sequence = keepSteps(x.reshape([batch, length, x.shape[x.ndim - 1]]), counts);
    const outputs = this.#orders.map((order, i) => {
      const places = placesOf('MambaND', order, spatial);
      const inOrder = counts && { mask: arrange(counts, places) };
      return arrange(
        this.cores[i].forward(arrange(sequence, places), inOrder), inverseOrder(places),
      );
    });
    return outputs.reduce((sum, output) => sum.add(output)).reshape(x.shape);
  }
}

/** The steps of x [batch, length, ...] in another order. */
function arrange(x: Tensor, order: readonly number[]): Tensor {
  if (order.every((from, to) => from === to)) return x;
  return x.indexSelect(1, tensor(Int32Array.from(order)));
}
