/** The golden values of test/golden as typed cases; its README says what they are. */
import { readFileSync } from 'node:fs';
import { readSafetensors, type StoredTensor } from './safetensors.ts';

/** What files hold, once they have been read: many tests ask for the cases of one op. */
const files = new Map<string, ReadonlyMap<string, StoredTensor>>();

function tensorsOf(name: string): ReadonlyMap<string, StoredTensor> {
  const tensors = files.get(name) ?? readSafetensors(locate(name));
  files.set(name, tensors);
  return tensors;
}

/** A float64 array. */
export type Values = Extract<StoredTensor, { dtype: 'F64' }>;

type Attributes = Readonly<Record<string, unknown>>;

export interface OpCase {
  readonly case: number;
  /** PyTorch's name of the op. */
  readonly op: string;
  readonly attrs: Attributes;
  readonly inputs: readonly StoredTensor[];
  readonly out: Values;
  /** The gradient that comes in, as large as `out`. */
  readonly cotangent: Values;
  /** The gradients that go out, one for each input: undefined where there is none. */
  readonly gradients: readonly (Values | undefined)[];
}

/** The cases of ops.json or another such file, or those of one op. */
export function opCases(op?: string, file = 'ops'): OpCase[] {
  const tensors = tensorsOf(`${file}.safetensors`);
  const rows = opRows.get(file) ?? readJson<OpRow>(`${file}.json`);
  opRows.set(file, rows);
  return rows
    .filter((row) => op === undefined || row.op === op)
    .map((row) => {
      const values = (name: string) => valuesOf(tensors, `${row.case}.${name}`);
      const inputs = numbers(row.inputs).map((k) => tensorOf(tensors, `${row.case}.in${k}`));
      return {
        ...row,
        inputs,
        out: values('out'),
        cotangent: values('cotangent'),
        gradients: inputs.map((_, k) => (row.diff.includes(k) ? values(`grad${k}`) : undefined)),
      };
    });
}

const opRows = new Map<string, readonly OpRow[]>();

interface OpRow extends Pick<OpCase, 'case' | 'op' | 'attrs'> {
  readonly inputs: number;
  /** The inputs that have a gradient. */
  readonly diff: readonly number[];
}

export interface ScanInputs {
  readonly u: Values;
  readonly delta: Values;
  readonly A: Values;
  readonly B: Values;
  readonly C: Values;
  readonly D?: Values;
  readonly z?: Values;
  readonly deltaBias?: Values;
  readonly initialState?: Values;
}

export interface SelectiveScanCase {
  readonly case: number;
  readonly batch: number;
  readonly length: number;
  readonly channels: number;
  readonly state: number;
  readonly deltaSoftplus: boolean;
  readonly inputs: ScanInputs;
  readonly y: Values;
  readonly lastState: Values;
  readonly cotangent: { readonly y: Values; readonly lastState: Values };
  /** The gradient of every input that the case has. */
  readonly gradients: ScanInputs;
}

export function selectiveScanCases(): SelectiveScanCase[] {
  const tensors = readSafetensors(locate('selective_scan.safetensors'));
  return readJson<ScanRow>('selective_scan.json').map((row) => {
    const values = (name: string) => valuesOf(tensors, `${row.case}.${name}`);
    const inputs = (prefix: string): ScanInputs => ({
      u: values(`${prefix}u`),
      delta: values(`${prefix}delta`),
      A: values(`${prefix}A`),
      B: values(`${prefix}B`),
      C: values(`${prefix}C`),
      ...Object.fromEntries(
        (['D', 'z', 'deltaBias', 'initialState'] as const)
          .filter((name) => row.inputs.includes(name))
          .map((name) => [name, values(prefix + name)]),
      ),
    });
    return {
      ...row,
      inputs: inputs(''),
      y: values('y'),
      lastState: values('lastState'),
      cotangent: { y: values('cotangent.y'), lastState: values('cotangent.lastState') },
      gradients: inputs('grad.'),
    };
  });
}

interface ScanRow
  extends Omit<SelectiveScanCase, 'inputs' | 'y' | 'lastState' | 'cotangent' | 'gradients'> {
  readonly inputs: readonly string[];
}

export interface OptimizerRun {
  readonly run: number;
  readonly optimizer: string;
  readonly attrs: Attributes;
  readonly steps: number;
  /** The largest total norm of the gradients, or null where they are not clipped. */
  readonly clipNorm: number | null;
  /** Every parameter at the start and after each step: `parameters[step][k]`. */
  readonly parameters: readonly (readonly Values[])[];
  /** Every gradient before clipping: `gradients[step]` leads to `parameters[step + 1]`. */
  readonly gradients: readonly (readonly Values[])[];
  /** The total norm of each step's gradients before clipping, where they are clipped. */
  readonly norms: readonly number[];
}

/** The runs of optim.json or another such file. */
export function optimizerRuns(file = 'optim'): OptimizerRun[] {
  const tensors = readSafetensors(locate(`${file}.safetensors`));
  return readJson<OptimizerRow>(`${file}.json`).map((row) => {
    const values = (name: string) => valuesOf(tensors, `${row.run}.${name}`);
    let count = 0;
    while (tensors.has(`${row.run}.p${count}.0`)) count += 1;
    const all = (kind: string, step: number) =>
      numbers(count).map((k) => values(`${kind}${k}.${step}`));
    return {
      ...row,
      parameters: numbers(row.steps + 1).map((step) => all('p', step)),
      gradients: numbers(row.steps).map((step) => all('g', step + 1)),
      norms:
        row.clipNorm === null
          ? []
          : numbers(row.steps).map((step) => values(`norm.${step + 1}`).data[0]),
    };
  });
}

type OptimizerRow = Omit<OptimizerRun, 'parameters' | 'gradients' | 'norms'>;

/** Tensors by name. */
type Named = Readonly<Record<string, Values>>;

export interface RecurrentCase {
  readonly case: number;
  readonly kind: 'GRU' | 'LSTM';
  readonly options: Readonly<
    Record<'bias' | 'batchFirst' | 'bidirectional', boolean> & Record<'numLayers', number>
  >;
  /** The number of steps of each row, if they differ. */
  readonly lengths: readonly number[] | null;
  readonly parameters: Named;
  readonly x: Values;
  /** The given state, `h` and for an LSTM `c`; empty if there is none. */
  readonly state: Named;
  readonly output: Values;
  /** The state at the end. */
  readonly last: Named;
  /** The gradients that come in, of `output` and of each tensor of the last state. */
  readonly cotangents: Named;
  /** The gradients that go out, of each parameter, `x`, and each tensor of a given state. */
  readonly gradients: Named;
}

export function recurrentCases(): RecurrentCase[] {
  const tensors = tensorsOf('recurrent/cases.safetensors');
  return readJson<RecurrentRow>('recurrent/cases.json').map((row) => {
    const { case: number, kind, lengths, ...options } = row;
    const named = (group: string): Named => {
      const prefix = `${number}.${group}.`;
      const names = [...tensors.keys()].filter((name) => name.startsWith(prefix));
      return Object.fromEntries(
        names.map((name) => [name.slice(prefix.length), valuesOf(tensors, name)]),
      );
    };
    return {
      case: number, kind, lengths, options, parameters: named('param'), state: named('state'),
      last: named('last'), cotangents: named('cotangent'), gradients: named('grad'),
      x: valuesOf(tensors, `${number}.x`), output: valuesOf(tensors, `${number}.output`),
    };
  });
}

type RecurrentRow = Pick<RecurrentCase, 'case' | 'kind' | 'lengths'> & RecurrentCase['options'];

/** Where a file of test/golden is. */
export function locate(name: string): URL {
  return new URL(`../golden/${name}`, import.meta.url);
}

function readJson<Row>(name: string): Row[] {
  return JSON.parse(readFileSync(locate(name), 'utf8')) as Row[];
}

function tensorOf(tensors: ReadonlyMap<string, StoredTensor>, name: string): StoredTensor {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(`golden: there is no ${name}`);
  return tensor;
}

function valuesOf(tensors: ReadonlyMap<string, StoredTensor>, name: string): Values {
  const tensor = tensorOf(tensors, name);
  if (tensor.dtype !== 'F64') throw new Error(`golden: ${name} is ${tensor.dtype}, not F64`);
  return tensor;
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
