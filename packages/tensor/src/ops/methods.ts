/**
 * Every op of the table is a function, `sum(x, 0)`, and a method, `x.sum(0)`. Gradient rules call
 * the methods, so that files of ops need not import each other.
 */
import { backward } from '../autograd/autograd.ts';
import { checkArgument, tensorLists } from '../core/options.ts';
import { Tensor } from '../core/tensor.ts';
import * as join from './join.ts';
import * as table from './table.ts';

/** The ops whose first argument is a tensor, by name. */
export const ops: typeof table = { ...table };

/** The ops whose first argument is a list of tensors: `a.concat([b, c], 0)`. */
export const listOps: typeof join = { ...join };

type Method<Op> = Op extends (x: Tensor, ...rest: infer Rest) => infer Result
  ? (...rest: Rest) => Result
  : never;

type ListMethod<Op> = Op extends (tensors: readonly Tensor[], ...rest: infer Rest) => infer Result
  ? (others: readonly Tensor[], ...rest: Rest) => Result
  : never;

type Methods = { [Name in keyof typeof table]: Method<(typeof table)[Name]> } & {
  [Name in keyof typeof join]: ListMethod<(typeof join)[Name]>;
} & { backward: Method<typeof backward> };

declare module '../core/tensor.ts' {
  interface Tensor extends Methods {}
}

type AnyOp = (first: unknown, ...rest: unknown[]) => unknown;

for (const [name, op] of Object.entries<unknown>({ ...ops, ...listOps, backward })) {
  const apply = op as AnyOp;
  const method = function (this: Tensor, ...args: unknown[]): unknown {
    return apply(this, ...args);
  };
  const listMethod = function (this: Tensor, others: unknown, ...rest: unknown[]): unknown {
    checkArgument(name, 'others', others, tensorLists);
    return apply([this, ...(others as readonly Tensor[])], ...rest);
  };
  const value = name in listOps ? listMethod : method;
  Object.defineProperty(Tensor.prototype, name, { value, writable: true });
}
