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
  alternatingOrder, crossOrders, inverseOrder, rasterOrder, reverseOrder, type ScanOrder,
} from './scanOrder.ts';
import type { SequenceLayer } from './sequence.ts';

export interface MambaNDOptions {
  /** Whether a second core scans from the end, and is added. Default false. */
  readonly bidirectional?: boolean;
  /**
   * `raster` (the default), row by row; `alternating`, by the `layer`; `cross`, by rows and by
   * columns, there and back, with four cores; or any other order.
   */
  readonly order?: 'raster' | 'alternating' | 'cross' | ScanOrder;
  /** The place in a stack of layers, from 0, that chooses the alternating order. Default 0. */
  readonly layer?: number;
}

export class MambaND<Core extends SequenceLayer = SequenceLayer> extends Module {
  /** One for each order in which the grid is scanned */
  readonly cores: readonly Core[];
  readonly #orders: readonly ScanOrder[];

  /** `createCore` makes a layer from [batch, length, channels] to the same shape. */
  constructor(createCore: () => Core, options: MambaNDOptions = {}) {
    super();
    const { bidirectional = false, order = 'raster', layer = 0 } = options;
    const named = {
      raster: [rasterOrder], alternating: [alternatingOrder(layer)], cross: crossOrders,
    };
    const one = typeof order === 'string' ? named[order] : [order];
    this.#orders = bidirectional && one.length === 1 ? [...one, reverseOrder(one[0])] : one;
    this.cores = this.#orders.map(() => createCore());
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
  forward(x: Tensor): Tensor {
    const spatial = x.shape.slice(1, -1);
    if (spatial.length === 0) {
      throw new TensorError(`MambaND: x is ${describe(x)}, expected [batch, ...spatial, channels]`);
    }
    const outputs = this.#orders.map((order, i) => {
      const places = order(spatial);
      const sequence = x.reshape([x.shape[0], places.length, x.shape[x.ndim - 1]]);
      return arrange(this.cores[i].forward(arrange(sequence, places)), inverseOrder(places));
    });
    return outputs.reduce((sum, output) => sum.add(output)).reshape(x.shape);
  }
}

/** The steps of x [batch, length, channels] in another order. */
function arrange(x: Tensor, order: readonly number[]): Tensor {
  if (order.every((from, to) => from === to)) return x;
  return x.indexSelect(1, tensor(Int32Array.from(order)));
}
