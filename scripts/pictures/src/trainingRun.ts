/**
 * A small run of training that is killed, and resumed by a new trainer from the last checkpoint.
 * All that is drawn of it is what the two trainers wrote to their logs, and saved.
 */
import {
  AdamW, type CheckpointStore, DataLoader, Linear, Module, mseLoss, type StateDict, Trainer,
} from '@mambagrad/nn';
import { Generator, normal, type Tensor } from '@mambagrad/tensor';

/** Where a run is killed, and how often it saves. */
export interface RunSettings {
  /** The run is killed after this step, before the step can be saved. */
  readonly killedAt: number;
  /** The number of steps from one checkpoint to the next. */
  readonly checkpointEvery: number;
}

/** A step that a trainer reported. */
export interface ReportedStep {
  readonly step: number;
  readonly metrics: { readonly loss: number };
  readonly validation?: { readonly loss: number };
}

/** What a process of a run reported: its steps, its checkpoints, and where it began. */
export interface Process {
  readonly steps: readonly ReportedStep[];
  /** The steps after which it saved. */
  readonly saved: readonly number[];
  /** The step from which it went on; 0 if there was no checkpoint. */
  readonly from: number;
}

/** A run in two processes, of which the first was killed, and its best evaluation. */
export interface Run {
  readonly processes: readonly [killed: Process, resumed: Process];
  readonly best: { readonly step: number; readonly value: number };
  /** The state of the second trainer at the end, all that a further step would depend on. */
  readonly state: StateDict;
}

/** The steps of the run. */
export const STEPS = 48;
/** The number of steps from one validation to the next. */
const VALIDATE_EVERY = 4;

type Batch = { readonly x: Tensor; readonly y: Tensor };

class Curve extends Module {
  readonly hidden: Linear;
  readonly output: Linear;

  constructor(generator: Generator) {
    super();
    this.hidden = new Linear(1, 16, { generator });
    this.output = new Linear(16, 1, { generator });
  }

  forward(x: Tensor): Tensor {
    return this.output.forward(this.hidden.forward(x.mul(3)).tanh());
  }
}

/** Points of a sine, with noise: few, so that a model soon knows them by heart. */
function points(count: number, seed: number): { x: number[]; y: number[] }[] {
  const noise = normal([count], 0, 0.6, { generator: new Generator(seed) }).data;
  return Array.from({ length: count }, (_, i) => {
    const x = 4 * (i + 0.5) / count - 2;
    return { x: [x], y: [Math.fround(Math.sin(2 * x) + noise[i])] };
  });
}

/** Checkpoints in memory. */
class Store implements CheckpointStore {
  readonly saved: number[] = [];
  #latest: StateDict | undefined;

  save(step: number, state: StateDict): void {
    this.saved.push(step);
    this.#latest = state;
  }

  load(): StateDict | undefined {
    return this.#latest;
  }
}

/** The trainer that each process makes: the same program is started twice. */
function makeTrainer(
  store: Store, checkpointEvery: number, log: (line: string) => void,
  callback?: (step: number) => unknown,
): Trainer<Batch> {
  const model = new Curve(new Generator(1));
  return new Trainer<Batch>({
    model,
    optimizer: new AdamW(model.parameters(), { lr: 0.1 }),
    data: new DataLoader(points(8, 8), { batchSize: 4, shuffle: true, seed: 1 }),
    loss: ({ x, y }) => mseLoss(model.forward(x), y),
    validation: {
      data: new DataLoader(points(16, 2), { batchSize: 16 }), every: VALIDATE_EVERY, keepBest: true,
    },
    checkpoints: store, checkpointEvery, resume: true,
    // The same bits on every machine, and no checkpoint because a minute is over.
    compile: { deterministic: true, threads: 1 }, now: () => 0,
    log: { write: log }, callbacks: [({ step }) => callback?.(step)],
  });
}

/** What the lines of a log and the store say of a process. */
function processOf(lines: readonly string[], saved: readonly number[]): Process {
  const read = lines.map((text) => JSON.parse(text) as ReportedStep & { readonly event?: string });
  const resumed = read.find(({ event }) => event === 'resume');
  return {
    steps: read.filter(({ event }) => event === undefined), saved, from: resumed?.step ?? 0,
  };
}

/** Runs the training: the first process up to its end by force, and the second from there on. */
export async function run({ killedAt, checkpointEvery }: RunSettings): Promise<Run> {
  const store = new Store();
  const [first, second]: [string[], string[]] = [[], []];
  await new Promise<void>((resolve, reject) => {
    const killed = makeTrainer(store, checkpointEvery, (line) => first.push(line), (step) => {
      if (step < killedAt) return undefined;
      resolve();
      // The trainer waits for this promise, which is never fulfilled: nothing comes after it.
      return new Promise<never>(() => undefined);
    });
    killed.fit(STEPS).catch(reject);
  });
  const savedByFirst = [...store.saved];
  const resumed = makeTrainer(store, checkpointEvery, (line) => second.push(line));
  await resumed.fit(STEPS);
  const { best } = resumed;
  if (best === undefined) throw new Error('the run has no validation');
  const processes = [
    processOf(first, savedByFirst), processOf(second, store.saved.slice(savedByFirst.length)),
  ] as const;
  return { processes, best, state: resumed.stateDict() };
}
