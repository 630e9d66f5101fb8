/** Gradients that a traced function sets, and whether it reads them. */
import { check } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';

/**
 * Gradients that are set in a trace are local to it, so if nothing there reads any, the backward
 * pass was for nothing: an optimizer's step outside, say, finds none.
 */
export class LocalGradients {
  readonly #given = new Set<Tensor>();
  readonly #unread = new Set<Tensor>();

  noteSet(tensor: Tensor, grad: Tensor | undefined): void {
    if (grad === undefined) return;
    this.#given.add(tensor);
    this.#unread.add(tensor);
  }

  noteRead(tensor: Tensor): void {
    this.#unread.delete(tensor);
  }

  requireUse(): void {
    const [first] = this.#unread;
    // Where some are read, the others may be of tensors that are not trained here.
    check(first === undefined || this.#unread.size < this.#given.size)`compile: the function calls
      backward(), but reads none of the gradients, such as that of ${first}, which are gone when the
      call is over; call optimizer.step() in the function too, or return what it should give`;
  }
}
