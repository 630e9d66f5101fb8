/**
 * Suites of benchmarks: each plans tables, whose cells are calls. The calls are timed by tinybench,
 * the tables are printed as they are done, and all results are written as JSON at the end.
 */
import { features } from '@mambagrad/wasm';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { Bench } from 'tinybench';
import { type Call, cores } from './ways.ts';
import { formatTable, type Measurement, type Quantity, type Row, type Table } from './table.ts';

/** A row to be measured. */
export interface PlannedRow {
  readonly name: string;
  /** How many things a call works on; the time is expected to grow with it. Default 1. */
  readonly count?: number;
  /** One for each column; undefined where it would take too much memory. */
  readonly calls: readonly (Call | undefined)[];
}

/** A table to be measured. */
export interface Plan {
  readonly title: string;
  /** Default the time of a call. */
  readonly quantity?: Quantity;
  readonly columns: readonly string[];
  /** Made one by one, so that only one row's tensors are there at a time. */
  readonly rows: Iterable<PlannedRow>;
  /**
   * Whether rows get larger: then a column ends where a call, going by the last one and by the
   * counts, would take longer than the limit. Default false.
   */
  readonly isGrowing?: boolean;
  /** Milliseconds of a call. Default that of the settings. */
  readonly limit?: number | undefined;
}

export interface Suite {
  readonly name: string;
  /** The tables; more rows if there is time. */
  plans(isLong: boolean): Iterable<Plan>;
}

/** Milliseconds: for each cell, and the most that a call may take in tables that grow. */
export interface Settings {
  readonly time: number;
  readonly limit: number;
}

export const settings = { short: { time: 60, limit: 150 }, long: { time: 1000, limit: 4000 } };

/** Median and quartiles; what lies between two samples is interpolated. */
export function summarize(samples: readonly number[]): Measurement {
  const sorted = samples.toSorted((a, b) => a - b);
  const quantile = (part: number): number => {
    const place = part * (sorted.length - 1);
    const [below, above] = [Math.floor(place), Math.ceil(place)];
    return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
  };
  const [lower, median, upper] = [0.25, 0.5, 0.75].map(quantile);
  return { median, lower, upper, samples: sorted.length };
}

/** Times a call, which was called before: the first call compiles, others make the engine do so. */
export async function measure(call: Call, { time }: Settings): Promise<Measurement> {
  call();
  const bench = new Bench({
    time, iterations: 3, warmupTime: time / 2, warmupIterations: 1,
    retainSamples: true, throws: true,
  });
  bench.add('call', call, { async: false });
  await bench.run();
  const { result } = bench.tasks[0];
  // Memory that is no longer used is given back between tasks.
  await setTimeout(0);
  return summarize('latency' in result ? (result.latency.samples ?? []) : []);
}

/** Measures what is planned, row by row. */
export async function fill(plan: Plan, { time, limit }: Settings, timed = measure): Promise<Table> {
  const { title, quantity = 'time', columns, isGrowing = false } = plan;
  const most = plan.limit ?? limit;
  const rows: Row[] = [];
  /** The time that a call takes for each thing, by column. */
  const rates: number[] = columns.map(() => 0);
  for (const { name, count = 1, calls } of plan.rows) {
    const cells: (Measurement | undefined)[] = [];
    for (const [i, call] of calls.entries()) {
      const isSlow = isGrowing && rates[i] * count > most;
      const cell = call && !isSlow ? await timed(call, { time, limit }) : undefined;
      if (cell) rates[i] = cell.median / count;
      cells.push(cell);
    }
    rows.push({ name, count, cells });
  }
  return { title, quantity, columns, rows };
}

/** What figures depend on besides the code. */
export const machine = {
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores,
  node: process.version,
  platform: `${process.platform} ${process.arch}`,
  fusedMultiplyAdd: features().relaxedSimd,
  date: new Date().toISOString(),
};

/** The machine in a line. */
export function machineLine(): string {
  const { cpu, cores, node, platform, fusedMultiplyAdd, date } = machine;
  const fused = `${fusedMultiplyAdd ? 'with' : 'without'} fused multiply-add`;
  const counted = `${cores} ${cores === 1 ? 'core' : 'cores'}`;
  return `${cpu}, ${counted}, ${platform}, Node ${node} (${fused}), ${date.slice(0, 10)}`;
}

/** Whether a module is the program that runs, and not part of another. */
export function isProgram(url: string): boolean {
  return url === pathToFileURL(process.argv[1] ?? '').href;
}

/** bench/results.json, seen from the sources and from what is compiled of them. */
const resultsFile = fileURLToPath(
  new URL(`${import.meta.url.endsWith('.ts') ? '' : '../'}../results.json`, import.meta.url),
);

const legend = `\
Each figure: the median, ± half the distance of the quartiles, and how it compares with the first
column: ×3 is three times as much, ÷3 a third. A dash: it would take too much time or memory.`;

const options = {
  long: { type: 'boolean', default: false },
  json: { type: 'string', default: resultsFile },
} as const;

/** The options of this process; on a mistake it says which, and ends the process with code 2. */
function readOptions() {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  }
}

/**
 * Runs suites as a program, with its options: `--long` takes more time, for steadier figures of
 * more rows; `--json FILE` says where the results go.
 */
export async function runSuites(...suites: readonly Suite[]): Promise<void> {
  const { long, json } = readOptions();
  const chosen = settings[long ? 'long' : 'short'];
  const start = performance.now();
  console.log(`${machineLine()}\n${legend}`);
  const results: { readonly name: string; readonly tables: readonly Table[] }[] = [];
  for (const { name, plans } of suites) {
    const tables: Table[] = [];
    for (const plan of plans(long)) {
      const table = await fill(plan, chosen);
      console.log(`\n${formatTable(table)}`);
      tables.push(table);
    }
    results.push({ name, tables });
  }
  const seconds = Math.round((performance.now() - start) / 1000);
  const name = suites.length === 1 ? ` ${suites[0].name}` : '';
  const command = `npm run bench${name}${long ? ' -- --long' : ''}`;
  const unit = 'milliseconds of a call';
  const report = { command, machine, settings: chosen, seconds, unit, suites: results };
  writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`);
  console.log(`\n${seconds} s; the results are in ${json}`);
}
