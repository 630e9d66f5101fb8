/**
 * Let-insertion: from expressions that share parts to trees. A part may be used in many places, as
 * `x` is in add(mul(x, x), x), and to write it out at each would take exponentially long. So a part
 * that a statement uses more than once is kept in a variable, which is set just before:
 *
 *     y[i] = (x + 1) * (x + 1)        let t1 = x + 1;  y[i] = t1 * t1
 *
 * A `selectRare` becomes a branch, in which its rare side has variables of its own:
 *
 *     y[i] = selectRare(m, r, u)      let t1 = u;  if any(m) { t1 = m ? r : t1 };  y[i] = t1
 */
import { type Expr, isVector, type Load, type Operation, type Variable } from './expression.ts';
import { any, select } from './operations.ts';
import { set, type Statement, when } from './statement.ts';

/** The expressions that an expression is computed from. */
export function inputsOf(value: Expr): readonly Expr[] {
  if (value.node === 'load') return value.index.terms.map(({ of }) => of);
  return value.node === 'operation' ? value.inputs : [];
}

/** An expression with its inputs replaced; the same object if none changes. */
function withInputs<V extends Load | Operation>(value: V, replace: (input: Expr) => Expr): V {
  const before = inputsOf(value);
  const inputs = before.map(replace);
  if (before.every((input, i) => input === inputs[i])) return value;
  if (value.node === 'operation') return { ...value, inputs };
  const terms = value.index.terms.map(({ times }, i) => ({ of: inputs[i], times }));
  return { ...value, index: { ...value.index, terms } };
}

function isRare(value: Expr): value is Operation {
  return value.node === 'operation' && value.name === 'selectRare';
}

function isStore(statement: Statement): statement is Statement & { readonly target: Load } {
  return statement.statement === 'assign' && statement.target.node === 'load';
}

/**
 * A statement whose expressions are trees, after those that set the parts it uses more than once,
 * in variables that `declare` makes. `check` is called for each expression.
 */
export function insertLets(
  statement: Statement, check: (value: Expr) => void, declare: (value: Expr) => Variable,
): Statement[] {
  if (isTree(statement, check)) return [statement];
  const uses = countUses(statement, check);
  const lets: Statement[] = [];
  const variables = new Map<Expr, Variable>();
  const treeOf = (value: Expr): Expr => {
    if (value.node === 'constant' || value.node === 'variable') return value;
    const known = variables.get(value);
    if (known !== undefined) return known;
    if (isRare(value)) return branchFor(value);
    const tree = withInputs(value, treeOf);
    if (uses.get(value) === 1) return tree;
    const held = declare(value);
    variables.set(value, held);
    lets.push(set(held, tree));
    return held;
  };
  const branchFor = (value: Operation): Expr => {
    const [mask, rare, usual] = value.inputs;
    const [condition, first] = [treeOf(mask), treeOf(usual)];
    const held = declare(value);
    lets.push(set(held, first));
    const chosen = select(condition, substitute(rare, variables), held);
    lets.push(when(any(condition), set(held, chosen)));
    variables.set(value, held);
    return held;
  };
  const values = statement.values.map(treeOf);
  const changes = isStore(statement)
    ? { values, target: withInputs(statement.target, treeOf) }
    : { values };
  return [...lets, { ...statement, ...changes }];
}

/**
 * Whether a statement uses each part of its expressions once, as most do, so that nothing is to be
 * counted; `check` is called for each part that was looked at, but for constants. This is the loop
 * in which kernels take longest to be made, so it is one plain function: parts that are still to be
 * looked at wait in a list, the next one last.
 */
function isTree(statement: Statement, check: (value: Expr) => void): boolean {
  const waiting: Expr[] = [];
  const seen: Expr[] = [];
  const { values } = statement;
  for (let i = values.length - 1; i >= 0; i--) waiting.push(values[i]);
  if (statement.statement === 'assign' && !addInputs(statement.target, waiting)) return false;
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    if (value.node === 'constant') continue;
    check(value);
    if (value.node === 'variable') continue;
    if (seen.includes(value) || isRare(value) || !addInputs(value, waiting)) return false;
    seen.push(value);
  }
  return true;
}

/** Adds the inputs of an expression to a list, the first one last; false if it uses one twice. */
function addInputs(value: Expr, waiting: Expr[]): boolean {
  const inputs = inputsOf(value);
  if (usesInputsTwice(value) && inputs.some(({ node }) => node !== 'variable')) return false;
  for (let i = inputs.length - 1; i >= 0; i--) waiting.push(inputs[i]);
  return true;
}

/**
 * An expression that is broadcast to four lanes counts as used more than once: the JavaScript
 * emitter writes it out for each lane, and stores some lanes before it computes others.
 */
function usesInputsTwice(value: Expr): boolean {
  if (value.node === 'operation') {
    return value.name === 'splat' && value.inputs[0].node === 'operation';
  }
  return value.node === 'load' && isVector(value);
}

/**
 * How often a statement uses each part of its expressions; `check` is called for each part, but for
 * constants.
 */
function countUses(
  statement: Statement, check: (value: Expr) => void,
): ReadonlyMap<Expr, number> {
  const uses = new Map<Expr, number>();
  const visit = (value: Expr): void => {
    if (value.node === 'constant') return;
    if (value.node === 'variable') return check(value);
    const before = uses.get(value) ?? 0;
    uses.set(value, before + 1);
    if (before > 0) return;
    check(value);
    visitInputs(value);
  };
  const visitInputs = (value: Expr): void => {
    // Uses on the rare side are counted when its branch is processed.
    const inputs = isRare(value) ? [value.inputs[0], value.inputs[2]] : inputsOf(value);
    inputs.forEach(visit);
    if (usesInputsTwice(value)) inputs.forEach(visit);
  };
  if (statement.statement === 'assign') visitInputs(statement.target);
  statement.values.forEach(visit);
  return uses;
}

/** An expression in which some parts are replaced by the variables that hold them. */
function substitute(value: Expr, variables: ReadonlyMap<Expr, Variable>): Expr {
  const results = new Map<Expr, Expr>(variables);
  const replace = (part: Expr): Expr => {
    const known = results.get(part);
    if (known !== undefined) return known;
    const isInner = part.node === 'load' || part.node === 'operation';
    const result = isInner ? withInputs(part, replace) : part;
    results.set(part, result);
    return result;
  };
  return replace(value);
}
