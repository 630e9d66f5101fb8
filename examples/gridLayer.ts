/** A layer of models that read images: a scan over a grid, with a residual connection around it. */
import { MambaBlock, MambaND } from '@mambagrad/mamba';
import { Dropout, Module, RMSNorm } from '@mambagrad/nn';
import type { Tensor } from '@mambagrad/tensor';

/** x + dropout(scan(norm(x))), over a grid [batch, height, width, hidden]. */
export class GridLayer extends Module {
  readonly norm: RMSNorm;
  readonly scan: MambaND;
  readonly dropout: Dropout;

  /** `layer` is its place in the stack, which selects the order of its scan. */
  constructor(hidden: number, layer: number, dropout = 0) {
    super();
    this.norm = new RMSNorm(hidden);
    this.scan = new MambaND(
      () => new MambaBlock({ hiddenSize: hidden, stateSize: 8 }), { order: 'alternating', layer },
    );
    this.dropout = new Dropout(dropout);
  }

  forward(x: Tensor): Tensor {
    return x.add(this.dropout.forward(this.scan.forward(this.norm.forward(x))));
  }
}
