/**
 * A model is a tree of modules, and a module is an object with fields: tensors to learn, other
 * modules, arrays of either. The fields' names are the parameters' names: `layers.0.norm.weight`.
 */
import { type DType, Tensor } from '@mambagrad/tensor';

export interface ParameterOptions {
  /** Keep weight decay away from this parameter, as it should be from scales and decay rates. */
  readonly noWeightDecay?: boolean;
}

/** A tensor that is learned: a leaf that requires gradients. */
export class Parameter extends Tensor {
  readonly noWeightDecay: boolean;

  /** Takes over the values of `value`. */
  constructor(value: Tensor, { noWeightDecay = false }: ParameterOptions = {}) {
    super(value, value.data);
    this.noWeightDecay = noWeightDecay;
    this.requiresGrad = true;
  }
}

/** The base of all layers and models. */
export abstract class Module {
  /**
   * Every parameter with its path, in the order in which fields were set. One that is reached by
   * several paths (a tied weight) is listed once, under the first.
   */
  namedParameters(): [string, Parameter][] {
    const found = new Map<Parameter, string>();
    visitFields(this, '', (path, value) => {
      if (value instanceof Parameter && !found.has(value)) found.set(value, path);
    });
    return Array.from(found, ([parameter, path]) => [path, parameter]);
  }

  /** Every parameter, once, in the order of `namedParameters`. */
  parameters(): Parameter[] {
    return this.namedParameters().map(([, parameter]) => parameter);
  }

  /** The number of values to learn. */
  parameterCount(): number {
    return this.parameters().reduce((sum, parameter) => sum + parameter.numel, 0);
  }

  /**
   * Replaces every parameter by one of the given dtype, for checking in f64. Optimizers made before
   * keep the old ones. Returns this module.
   */
  to(dtype: DType): this {
    const moved = new Map<Parameter, Parameter>();
    visitFields(this, '', (_path, value, owner, key) => {
      if (!(value instanceof Parameter)) return;
      const copy = moved.get(value) ?? new Parameter(value.cast(dtype).detach(), value);
      moved.set(value, copy);
      Reflect.set(owner, key, copy);
    });
    return this;
  }
}

/** Calls `visit` for each field of the tree that is not a module or an array of the tree itself. */
function visitFields(
  owner: object,
  path: string,
  visit: (path: string, value: unknown, owner: object, key: string) => void,
): void {
  for (const [key, value] of Object.entries(owner)) {
    const name = path === '' ? key : `${path}.${key}`;
    if (value instanceof Module || Array.isArray(value)) visitFields(value, name, visit);
    else visit(name, value, owner, key);
  }
}
