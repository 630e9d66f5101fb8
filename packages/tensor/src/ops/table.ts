/**
 * The table of ops. Every op whose first argument is a tensor is here once, and is thereby both a
 * free function, `sum(x, 0)`, and a method, `x.sum(0)`. Gradient rules use the methods, which is
 * why the files of ops need not know each other.
 */
import { backward } from '../autograd.ts';
import { Tensor } from '../tensor.ts';
import * as activation from './activation.ts';
import * as arrange from './arrange.ts';
import * as blocks from './blocks.ts';
import * as compare from './compare.ts';
import * as cumulative from './cumulative.ts';
import * as elementwise from './elementwise.ts';
import * as indexing from './indexing.ts';
import * as join from './join.ts';
import * as matmul from './matmul.ts';
import * as movement from './movement.ts';
import * as reduce from './reduce.ts';
import * as scan from './linearScan.ts';
import * as sort from './sort.ts';
import * as statistics from './statistics.ts';

type Ops = typeof elementwise &
  typeof activation &
  typeof compare &
  typeof reduce &
  typeof statistics &
  typeof cumulative &
  typeof sort &
  typeof matmul &
  typeof movement &
  typeof blocks &
  typeof arrange &
  typeof indexing &
  typeof scan;

/** The ops whose first argument is a tensor, by name. */
export const ops: Ops = {
  ...elementwise,
  ...activation,
  ...compare,
  ...reduce,
  ...statistics,
  ...cumulative,
  ...sort,
  ...matmul,
  ...movement,
  ...blocks,
  ...arrange,
  ...indexing,
  ...scan,
};

/** The ops whose first argument is a list of tensors: `a.concat([b, c], 0)`. */
export const listOps: typeof join = join;

type Method<Op> = Op extends (x: Tensor, ...rest: infer Rest) => infer Result
  ? (...rest: Rest) => Result
  : never;

type ListMethod<Op> = Op extends (tensors: readonly Tensor[], ...rest: infer Rest) => infer Result
  ? (others: readonly Tensor[], ...rest: Rest) => Result
  : never;

type Methods = { [Name in keyof Ops]: Method<Ops[Name]> } & {
  [Name in keyof typeof join]: ListMethod<(typeof join)[Name]>;
} & { backward: Method<typeof backward> };

declare module '../tensor.ts' {
  interface Tensor extends Methods {}
}

function install(name: string, method: (this: Tensor, ...rest: never[]) => unknown): void {
  Object.defineProperty(Tensor.prototype, name, { value: method, writable: true });
}

type AnyOp = (first: unknown, ...rest: unknown[]) => unknown;

for (const [name, op] of Object.entries({ ...ops, backward })) {
  install(name, function (...rest) {
    return (op as AnyOp)(this, ...rest);
  });
}
for (const [name, op] of Object.entries(listOps)) {
  install(name, function (others: readonly Tensor[], ...rest) {
    return (op as AnyOp)([this, ...others], ...rest);
  });
}
