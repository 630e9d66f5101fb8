/**
 * Writing by turns with a language model. All that it knows of the conversation is a state of fixed
 * size, which is carried on from turn to turn, so the tenth turn costs no more than the first. A
 * state never changes, each step makes a new one: to take a turn back is to go on from the state
 * before it.
 */
import {
  byteTokenizer, generate, type MambaLM, type Moment, type SampleOptions,
} from '@mambagrad/mamba';
import { createInterface } from 'node:readline';

/** A character needs at most this many bytes more than the first. */
const REST_OF_CHARACTER = 3;

/** A text that user and model write by turns. */
export class Conversation {
  readonly #model: MambaLM;
  /** What the model knows after each turn; the last one is the present. */
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
    const state = this.#turns.at(-1);
    if (text === '' && state === undefined) return;
    // A further text begins on a line of its own.
    const prompt = byteTokenizer.encode(state && text !== '' ? `\n${text}` : text);
    const maxTokens = count + REST_OF_CHARACTER;
    const writing = generate(this.#model, [prompt], { ...options, state, maxTokens });
    const stream = byteTokenizer.stream?.();
    let bytes = 0;
    for await (const [token] of writing) {
      const piece = token === undefined ? '' : stream?.write(token) ?? '';
      yield piece;
      // The last character may need some bytes more; until then there is no piece to show.
      if (this.#isStopped || (++bytes >= count && piece !== '')) break;
    }
    this.#turns.push(writing.end);
    yield stream?.end() ?? '';
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

const help =
  `Write the beginning of a text, and the model goes on; an empty line lets it write more.
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
