/**
 * From values to trees. A value may be used in many places, as `x` in add(mul(x, x), x), and to
 * write it out at each would take exponentially long. So one that a statement uses more than once
 * is held in a variable, which is set just before:
 *
 *     y[i] = (x + 1) * (x + 1)        let t1 = x + 1;  y[i] = t1 * t1
 *
 * So is a `selectRare`, whose rare side becomes a branch with its own local variables:
 *
 *     y[i] = selectRare(m, r, u)      let t1 = u;  if any(m) { t1 = m ? r : t1 };  y[i] = t1
 */
import { type Expr, lanesOf, type Load, type Operation, type Variable } from './expression.ts';
import { any, select } from './operations.ts';
import { set, type Statement, when } from './statement.ts';

/** The values that a value is computed from. */
export function inputsOf(value: Expr): readonly Expr[] {
  if (value.node === 'load') return value.index.terms.map(({ of }) => of);
  return value.node === 'operation' ? value.inputs : [];
}

/** A value that is computed in the same way from others; itself if they are the same. */
function withInputs<V extends Load | Operation>(value: V, change: (input: Expr) => Expr): V {
  const inputs = inputsOf(value).map(change);
  if (inputsOf(value).every((input, i) => input === inputs[i])) return value;
  if (value.node === 'operation') return { ...value, inputs };
  const terms = value.index.terms.map(({ times }, i) => ({ of: inputs[i], times }));
  return { ...value, index: { ...value.index, terms } };
}

function isRare(value: Expr): value is Operation {
  return value.node === 'operation' && value.name === 'selectRare';
}

/** A value in which those that are held in variables are these. */
function withHeld(value: Expr, holders: ReadonlyMap<Expr, Variable>): Expr {
  const made = new Map<Expr, Expr>(holders);
  const change = (one: Expr): Expr => {
    const known = made.get(one);
    if (known !== undefined) return known;
    const isLeaf = one.node === 'constant' || one.node === 'variable';
    const changed = isLeaf ? one : withInputs(one, change);
    made.set(one, changed);
    return changed;
  };
  return change(value);
}

/**
 * A statement whose values are trees, behind those that set what it uses more than once, in
 * variables that `hold` makes. `check` is called for each value.
 */
export function treesOf(
  one: Statement, check: (value: Expr) => void, hold: (value: Expr) => Variable,
): Statement[] {
  const uses = new Map<Expr, number>();
  const visit = (value: Expr): void => {
    if (value.node === 'constant') return;
    const before = uses.get(value) ?? 0;
    uses.set(value, before + 1);
    if (before > 0) return;
    check(value);
    visitInputs(value);
  };
  const visitInputs = (value: Expr): void => {
    // Uses on the rare side are counted in its branch.
    const inputs = isRare(value) ? [value.inputs[0], value.inputs[2]] : inputsOf(value);
    inputs.forEach(visit);
    // What goes to four lanes is used more than once: emitters may write it out for each, and some
    // lanes are stored when others are still to come.
    const isSplat = value.node === 'operation' && value.name === 'splat';
    if (isSplat ? inputs[0].node === 'operation' : value.node === 'load' && lanesOf(value) === 4) {
      inputs.forEach(visit);
    }
  };
  if (one.statement === 'assign') visitInputs(one.target);
  one.values.forEach(visit);

  const trees: Statement[] = [];
  const holders = new Map<Expr, Variable>();
  const treeOf = (value: Expr): Expr => {
    if (value.node === 'constant' || value.node === 'variable') return value;
    const known = holders.get(value);
    if (known !== undefined) return known;
    if (isRare(value)) return branchFor(value);
    const tree = withInputs(value, treeOf);
    if (uses.get(value) === 1) return tree;
    const holder = hold(value);
    holders.set(value, holder);
    trees.push(set(holder, tree));
    return holder;
  };
  const branchFor = (value: Operation): Expr => {
    const [mask, rare, usual] = value.inputs;
    const [condition, first] = [treeOf(mask), treeOf(usual)];
    const holder = hold(value);
    trees.push(set(holder, first));
    const chosen = select(condition, withHeld(rare, holders), holder);
    trees.push(when(any(condition), set(holder, chosen)));
    holders.set(value, holder);
    return holder;
  };
  const values = one.values.map(treeOf);
  const isStore = one.statement === 'assign' && one.target.node === 'load';
  const changes = isStore ? { values, target: withInputs(one.target, treeOf) } : { values };
  return [...trees, { ...one, ...changes }];
}
