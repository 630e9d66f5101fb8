/**
 * A stack of MambaND layers that reads an image as a grid of places. Each layer scans the grid in
 * another order: along the rows, back, along the columns, back.
 *
 *     h = W patches + position,   h ← h + dropout(scan(norm(h)))   for each layer
 *     logits = W_out mean(norm(h))
 */
import { Dropout, Linear, Module, Parameter, RMSNorm } from '@mambagrad/nn';
import { concat, normal, stack, type Tensor } from '@mambagrad/tensor';
import { GridLayer } from '../gridLayer.ts';
import { Distort } from './distort.ts';

export interface ReaderOptions {
  readonly layers: number;
  readonly hidden: number;
  readonly dropout: number;
  readonly classes: number;
}

/** From images [batch, 8, 8, 1], with pixels from 0 to 1, to the logits of each class. */
export class DigitReader extends Module {
  readonly distort = new Distort(8, 0.25, 0.7);
  readonly embedding: Linear;
  /** Added to what is seen at each place, so that the model knows where it is */
  readonly position: Parameter;
  readonly layers: readonly GridLayer[];
  readonly norm: RMSNorm;
  readonly dropout: Dropout;
  readonly head: Linear;

  constructor({ layers, hidden, dropout, classes }: ReaderOptions) {
    super();
    this.embedding = new Linear(16, hidden);
    this.position = new Parameter(normal([4, 4, hidden], 0, 0.5));
    this.layers = Array.from({ length: layers }, (_, i) => new GridLayer(hidden, i, dropout));
    this.norm = new RMSNorm(hidden);
    this.dropout = new Dropout(dropout);
    this.head = new Linear(hidden, classes);
  }

  forward(images: Tensor): Tensor {
    const embedded = this.embedding.forward(patchesOf(this.distort.forward(images.squeeze(-1))));
    const h = this.layers.reduce((x, layer) => layer.forward(x), embedded.add(this.position));
    return this.head.forward(this.dropout.forward(this.norm.forward(h).mean([1, 2])));
  }
}

/**
 * Readers that learn side by side from the same images, each distorted in its own way. They make
 * different mistakes, so together they make fewer: their probabilities are averaged (an ensemble).
 */
export class DigitReaders extends Module {
  readonly readers: readonly DigitReader[];

  constructor(count: number, options: ReaderOptions) {
    super();
    this.readers = Array.from({ length: count }, () => new DigitReader(options));
  }

  /** The logits of each reader, [batch, classes]. */
  each(images: Tensor): readonly Tensor[] {
    return this.readers.map((reader) => reader.forward(images));
  }

  /** The logarithm of the mean probability of each class, [batch, classes]. */
  forward(images: Tensor): Tensor {
    return stack(this.each(images)).softmax(-1).mean(0).log();
  }
}

/**
 * Patches of 4 × 4 pixels, two apart, so that each overlaps its neighbours: [batch, 4, 4, 16]. With
 * an edge of one empty pixel the image has 5 × 5 cells of 2 × 2 pixels, and a patch is four cells.
 */
function patchesOf(images: Tensor): Tensor {
  const batch = images.shape[0];
  const cells = images.pad([0, 1, 1], [0, 1, 1])
    .reshape([batch, 5, 2, 5, 2]).permute([0, 1, 3, 2, 4]).reshape([batch, 5, 5, 4]);
  const shifted = [[0, 0], [0, 1], [1, 0], [1, 1]];
  return concat(shifted.map(([i, j]) => cells.narrow(1, i, 4).narrow(2, j, 4)), -1);
}
