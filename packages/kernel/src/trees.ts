/**
 * From values to trees. A value may be used in many places, as `x` in add(mul(x, x), x), and to
 * write it out at each would take exponentially long. So one that a statement uses more than once
 * is held in a variable, which is set just before:
 *
 *     y[i] = (x + 1) * (x + 1)        let t1 = x + 1;  y[i] = t1 * t1
 */
import type { Set as SetStatement, Statement } from './statement.ts';
import { type Index, type Value, variable } from './value.ts';

/** The values that a statement computes by itself, without those of statements inside. */
export function valuesOf(statement: Statement): readonly Value[] {
  switch (statement.statement) {
    case 'set':
      return [statement.value];
    case 'store':
      return [...statement.index.terms.map(({ of }) => of), statement.value];
    case 'loop':
      return [statement.from, statement.to];
    default:
      return [statement.condition];
  }
}

/** The values that a value is computed from. */
export function inputsOf(value: Value): readonly Value[] {
  if (value.node === 'load') return value.index.terms.map(({ of }) => of);
  return value.node === 'operation' ? value.inputs : [];
}

export class Trees {
  #count = 0;

  /** A statement whose values are trees, and what is to be set before it. */
  of(statement: Statement): { readonly sets: readonly SetStatement[]; readonly tree: Statement } {
    const uses = new Map<Value, number>();
    const visit = (value: Value): void => {
      const before = uses.get(value) ?? 0;
      uses.set(value, before + 1);
      if (before > 0) return;
      for (const input of inputsOf(value)) visit(input);
      if (value.node === 'load') visitLanes(value.index);
      const [single] = value.node === 'operation' && value.name === 'splat' ? value.inputs : [];
      if (single?.node === 'operation') visit(single);
    };
    // What goes to four lanes is used more than once: emitters may write it out for each, and some
    // lanes are stored when others are still to come.
    const visitLanes = ({ lanes, terms }: Index): void => {
      if (lanes === 4) terms.forEach(({ of }) => visit(of));
    };
    valuesOf(statement).forEach(visit);
    if (statement.statement === 'store') visitLanes(statement.index);

    const sets: SetStatement[] = [];
    const done = new Map<Value, Value>();
    const valueTree = (value: Value): Value => {
      if (value.node === 'constant' || value.node === 'variable') return value;
      let result = done.get(value);
      if (result !== undefined) return result;
      result = value.node === 'load'
        ? { ...value, index: indexTree(value.index) }
        : { ...value, inputs: value.inputs.map(valueTree) };
      if ((uses.get(value) ?? 0) > 1) {
        const holder = variable(`t${(this.#count += 1)}`, value.type);
        sets.push({ statement: 'set', variable: holder, value: result });
        result = holder;
      }
      done.set(value, result);
      return result;
    };
    const indexTree = (index: Index): Index => ({
      ...index,
      terms: index.terms.map(({ of, times }) => ({ of: valueTree(of), times })),
    });
    return { sets, tree: withTrees(statement, valueTree, indexTree) };
  }
}

function withTrees(
  statement: Statement,
  value: (value: Value) => Value,
  index: (index: Index) => Index,
): Statement {
  switch (statement.statement) {
    case 'set':
      return { ...statement, value: value(statement.value) };
    case 'store':
      return { ...statement, index: index(statement.index), value: value(statement.value) };
    case 'loop':
      return { ...statement, from: value(statement.from), to: value(statement.to) };
    default:
      return { ...statement, condition: value(statement.condition) };
  }
}
