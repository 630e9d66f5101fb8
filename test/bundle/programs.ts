/**
 * Draws small programs whose names are easily confused: variables hide each other, and are called
 * as keys, members, private names, labels and the short names of bundles are.
 */
const names = ['a', 'b', 'c', 'of', 'get', 'size', 'name', '$', 'async', 'x'];

/** The names that can be used in a place, and those that its block declares. */
interface Scope {
  readonly numbers: readonly string[];
  readonly functions: readonly string[];
}

/** Two modules; the first imports from the second, and exports all that it computes. */
export function drawProgram(draw: Draw): Record<string, string> {
  return new Writer(draw).modules();
}

/** Draws a whole number from 0 to `most`. */
export type Draw = (most: number) => number;

class Writer {
  readonly #number: Draw;
  #depth = 0;

  constructor(draw: Draw) {
    this.#number = draw;
  }

  modules(): Record<string, string> {
    const [first, second] = this.#names(4, []);
    const inner = this.#block({ numbers: [], functions: [] }, [first, second]);
    const imported = this.#names(2, ['total', 'shown']);
    const links = [first, second].map((name, i) => `${name} as ${imported[i]}`);
    const outer = this.#block({ numbers: imported, functions: [] }, [], imported);
    return {
      'main.mjs': `import { ${links.join(', ')} } from './other.mjs';\n` +
        `const shown = [];\nlet total = 0;\n${outer}\nconst sum = total;\nexport { shown, sum };\n`,
      'other.mjs': `const shown = [];\nlet total = 0;\n${inner}\nexport { ${first}, ${second} };\n`,
    };
  }

  /** Statements that declare these names and others, and add numbers to `total`. */
  #block(scope: Scope, wanted: readonly string[], taken: readonly string[] = []): string {
    const count = wanted.length + this.#number(this.#depth > 2 ? 2 : 4);
    const own = [...wanted, ...this.#names(count - wanted.length, [...wanted, ...taken])];
    // What a block declares hides what is around it, also before it is declared.
    let visible = {
      numbers: scope.numbers.filter((name) => !own.includes(name)),
      functions: scope.functions.filter((name) => !own.includes(name)),
    };
    const lines: string[] = [];
    for (const name of own) {
      const isNumber = wanted.includes(name) || this.#flip();
      const value = this.#value(visible);
      // What is exported may not change later.
      if (wanted.includes(name)) lines.push(`const ${name} = ${value};`);
      else lines.push(isNumber ? this.#variable(name, value) : this.#function(name, visible));
      visible = isNumber
        ? { ...visible, numbers: [...visible.numbers, name] }
        : { ...visible, functions: [...visible.functions, name] };
      if (this.#flip()) lines.push(this.#statement(visible));
    }
    return lines.join('\n');
  }

  #variable(name: string, value: string): string {
    const [key] = this.#names(1, []);
    return this.#oneOf([
      `const ${name} = ${value};`,
      `let ${name} = ${value}; ${name} += 1;`,
      `const { ${key}: ${name} } = { ${key}: ${value} };`,
      `const { ${name} } = { ${name}: ${value} };`,
      `const { ${name} = ${value} } = {};`,
      `const [[, ${name}] = [0, ${value}]] = [];`,
    ]);
  }

  /** A function of two numbers, in one of its forms; what it is called is noted, too. */
  #function(name: string, scope: Scope): string {
    const [first, second] = this.#names(2, []);
    const given =
      { ...scope, numbers: [...without(scope.numbers, [first, second]), first, second] };
    const inside = { ...given, functions: without(scope.functions, [first, second]) };
    const standard = this.#value({ ...scope, numbers: without(scope.numbers, [first, second]) });
    const parameters = this.#oneOf([
      `${first}, ${second}`, `${first}, ${second} = ${first}`,
      `${first}, ...[${second} = ${isFree(standard, [first, second]) ? standard : 1}]`,
    ]);
    this.#depth += 1;
    const body = this.#depth > 2 ? '' : this.#inner(inside, [first, second]);
    const result = this.#value(inside);
    this.#depth -= 1;
    const noted = `shown.push(${name}.name);`;
    return this.#oneOf([
      `function ${name}(${parameters}) {\n${body}\nreturn ${result};\n}\n${noted}`,
      `const ${name} = (${parameters}) => ${result};\n${noted}`,
      `const ${name} = (${parameters}) => {\n${body}\nreturn ${result};\n};\n${noted}`,
      `const ${name} = ((${parameters}) => (${result}));\n${noted}`,
      `const ${name} = function (${parameters}) {\n${body}\nreturn ${result};\n};\n${noted}`,
      `class Of_${name} {\n#${first} = 1;\nstatic ${second} = 2;\nget ${first}() { return ` +
      `this.#${first}; }\n` +
        `${second}(${parameters}) { this.#${first} += ${result}; return this.${first}; }\n}\n` +
        `const ${name} = (p, q) => new Of_${name}().${second}(p, q) + Of_${name}.${second};\n` +
        `shown.push(Of_${name}.name, ${name}.name);`,
    ]);
  }

  /** A block that does not declare the parameters again. */
  #inner(scope: Scope, parameters: readonly string[]): string {
    return `{\n${this.#block(scope, [])}\n}\ntotal += ${parameters[0]};`;
  }

  #statement(scope: Scope): string {
    const value = this.#value(scope);
    if (this.#depth > 2) return `total += ${value};`;
    this.#depth += 1;
    const block = this.#block(scope, []);
    const [name] = this.#names(1, []);
    this.#depth -= 1;
    return this.#oneOf([
      `total += ${value};`,
      `{\n${block}\n}`,
      `if (${value} > 1) {\n${block}\n} else total -= ${value};`,
      `${name}_${this.#depth}: for (const item of [${value}, 2]) {\n${block}\n` +
        `if (item > 1) continue ${name}_${this.#depth};\n}`,
      `try {\nthrow new Error(String(${value}));\n} catch ({ message }) ` +
        `{\n${block}\nshown.push(message);\n}`,
      `switch (${value} % 3) {\ncase 1: {\n${block}\nbreak;\n}\ndefault: total += 1;\n}`,
    ]);
  }

  /** An expression that is a number. Of its forms only the one that is chosen is written. */
  #value(scope: Scope, depth = 0): string {
    const simple = [String(this.#number(9)), ...scope.numbers, ...scope.numbers];
    if (depth > 2) return this.#oneOf(simple);
    const part = (): string => this.#value(scope, depth + 1);
    const [name] = this.#names(1, []);
    const hidden = {
      numbers: [...without(scope.numbers, [name]), name],
      functions: without(scope.functions, [name]),
    };
    const call = () => `${this.#oneOf(scope.functions)}(${part()}, ${part()})`;
    const [first] = scope.numbers;
    return this.#oneOf([
      () => this.#oneOf(simple),
      ...(scope.functions.length === 0 ? [] : [call, call]),
      ...(scope.numbers.length === 0 ? [] : [() => `({ ${name}: 1, ${first} }).${first}`]),
      () => `(${part()} + ${part()})`,
      () => `(${part()} > 3 ? ${part()} : ${part()})`,
      () => `({ ${name}: ${part()} }).${name}`,
      () => `({ ${name}() { return ${part()}; } }).${name}()`,
      () => `\`\${${part()}} ${name}: \${${part()}}\`.length`,
      () => `((${name}) => ${this.#value(hidden, depth + 1)})(${part()})`,
      () => `[${part()}, ${part()}].map((${name}) => ({ ${name} })).length`,
    ])();
  }

  #names(count: number, taken: readonly string[]): string[] {
    const left = names.filter((name) => !taken.includes(name));
    return Array.from({ length: count }, () => left.splice(this.#number(left.length - 1), 1)[0]);
  }

  #flip(): boolean {
    return this.#number(1) === 1;
  }

  #oneOf<T>(items: readonly T[]): T {
    return items[this.#number(items.length - 1)];
  }
}

const without = (all: readonly string[], names: readonly string[]): string[] =>
  all.filter((name) => !names.includes(name));

/** Whether an expression does not name these: they are declared only later. */
const isFree = (code: string, names: readonly string[]): boolean =>
  !(code.match(/[$\w]+/g) ?? []).some((word) => names.includes(word));
