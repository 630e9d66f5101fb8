/**
 * Writing by turns with a language model. All that it knows of the conversation is a state of fixed
 * size, which is carried on from turn to turn, so the tenth turn costs no more than the first. A
 * state never changes, each step makes a new one: to take a turn back is to go on from the state
 * before it.
 */
import { byteTokenizer, type MambaLM, sample, type SampleOptions } from '@mambagrad/mamba';
import { tensor } from '@mambagrad/tensor';
import { createInterface } from 'node:readline';
import { setImmediate } from 'node:timers/promises';

/** The logits of the next byte, and the state after all bytes before it. */
type Moment = ReturnType<MambaLM['prefill']>;

/** A text that user and model write by turns. */
export class Conversation {
  readonly #model: MambaLM;
  /** The moments after each turn; the last one is the present. */
  #turns: Moment[] = [];
  #isStopped = false;

  constructor(model: MambaLM) {
    this.#model = model;
  }

  /**
   * Reads a text, and goes on with it for `count` bytes, from 1, or until `stop` is called. An
   * empty text lets the model go on where it stopped; at the beginning there has to be one.
   */
  async *turn(text: string, count: number, options: SampleOptions): AsyncGenerator<string> {
    this.#isStopped = false;
    let now = this.#read(text);
    if (now === undefined) return;
    const stream = byteTokenizer.stream?.();
    let piece = '';
    // The last character may need some bytes more; until then there is no piece to show.
    for (let i = 0; (i < count || piece === '') && !this.#isStopped; i++) {
      const token = sample(now.y, options);
      now = this.#model.step(token, now.state);
      piece = stream?.write(token.item()) ?? '';
      yield piece;
      // Keys and signals are heard in between.
      await setImmediate();
    }
    this.#turns.push(now);
    yield stream?.end() ?? '';
  }

  /** The moment after a further text, on a line of its own. */
  #read(text: string): Moment | undefined {
    const now = this.#turns.at(-1);
    if (text === '') return now;
    const tokens = byteTokenizer.encode(now === undefined ? text : `\n${text}`);
    return this.#model.prefill(tensor([tokens], { dtype: 'i32' }), { state: now?.state });
  }

  /** Ends the present turn after its next byte. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Takes the last turn back; false if there is none. */
  undo(): boolean {
    return this.#turns.pop() !== undefined;
  }

  /** Forgets everything. */
  restart(): void {
    this.#turns = [];
  }
}

const help = `Write the beginning of a text, and the model goes on; an empty line lets it write more.
/undo takes the last turn back, /new begins a new text, /quit ends. Ctrl-C stops it in the middle.`;

export interface ChatOptions extends SampleOptions {
  /** The bytes that the model writes in a turn. */
  readonly count: number;
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly output: NodeJS.WritableStream;
}

/** Chats until the input ends. From a pipe each line is a turn, and only the model is heard. */
export async function chat(model: MambaLM, options: ChatOptions): Promise<void> {
  const { count, input, output, ...sampling } = options;
  const terminal = input.isTTY === true;
  const lines = createInterface({ input, output: terminal ? output : undefined, prompt: '> ' });
  const conversation = new Conversation(model);
  let isWriting = false;
  lines.on('SIGINT', () => (isWriting ? conversation.stop() : lines.close()));
  const say = (text: string) => output.write(`${text}\n`);
  const commands: Readonly<Record<string, () => void>> = {
    '/help': () => say(help),
    '/new': () => conversation.restart(),
    '/undo': () => say(conversation.undo() ? 'The last turn is taken back.' : 'There is no turn.'),
    '/quit': () => lines.close(),
  };
  if (terminal) say(help);
  if (terminal) lines.prompt();
  for await (const line of lines) {
    const command = commands[line.trim()];
    if (command) command();
    else {
      isWriting = true;
      for await (const piece of conversation.turn(line, count, sampling)) output.write(piece);
      isWriting = false;
      output.write('\n');
    }
    if (line.trim() === '/quit') break;
    if (terminal) lines.prompt();
  }
}
