/** Writing by turns with a model: the state is carried on, and turns can be taken back. */
import { MambaLM } from '@mambagrad/mamba';
import { arange, manualSeed } from '@mambagrad/tensor';
import { PassThrough } from 'node:stream';
import { beforeEach, expect, it } from 'vitest';
import { chat, Conversation } from '../../examples/writer/chat.ts';

const greedy = { temperature: 0 };
let model: MambaLM;
beforeEach(() => {
  manualSeed(5);
  model = new MambaLM({ vocabSize: 256, hiddenSize: 8, stateSize: 4, numLayers: 1 });
  // The logits of all other bytes are 0, so it writes ASCII, in which a character is a byte.
  const { weight } = model.embedding;
  weight.assign(weight.mul(arange(0, 256).less(128).cast('f32').unsqueeze(1)));
});

async function turn(conversation: Conversation, text: string, count: number): Promise<string> {
  let written = '';
  for await (const piece of conversation.turn(text, count, greedy)) written += piece;
  return written;
}

it('goes on from where it stopped: two turns are one of both lengths', async () => {
  const whole = await turn(new Conversation(model), 'abc', 12);
  const conversation = new Conversation(model);
  const parts = [await turn(conversation, 'abc', 5), await turn(conversation, '', 7)];
  expect(parts.join('')).toBe(whole);
});

it('remembers earlier turns, and reads a further one on a line of its own', async () => {
  const conversation = new Conversation(model);
  const first = await turn(conversation, 'abc', 5);
  const second = await turn(conversation, 'xyz', 5);
  expect(await turn(new Conversation(model), `abc${first}\nxyz`, 5)).toBe(second);
});

it('takes turns back, and begins anew', async () => {
  const conversation = new Conversation(model);
  expect(conversation.undo()).toBe(false);
  expect(await turn(conversation, '', 5)).toBe('');
  const first = await turn(conversation, 'abc', 5);
  const second = await turn(conversation, 'def', 5);
  expect(conversation.undo()).toBe(true);
  expect(await turn(conversation, 'def', 5)).toBe(second);
  conversation.restart();
  expect(await turn(conversation, 'abc', 5)).toBe(first);
});

it('ends a turn with a whole character', async () => {
  const { weight } = model.embedding;
  // Only bytes that begin a character of two, or end one, have logits above 0.
  const isUsed = arange(0, 256).greaterEqual(0x80).cast('f32').unsqueeze(1);
  weight.assign(weight.mul(isUsed));
  const conversation = new Conversation(model);
  let bytes = 0;
  const { step } = model;
  model.step = (...args) => {
    bytes++;
    return step.apply(model, args);
  };
  for (let count = 1; count < 8; count++) {
    bytes = 0;
    const text = await turn(conversation, 'é', count);
    expect(bytes).toBeGreaterThanOrEqual(count);
    expect(bytes).toBeLessThan(count + 4);
    expect(text).not.toBe('');
  }
});

it('stops in the middle of a turn', async () => {
  const conversation = new Conversation(model);
  let written = '';
  for await (const piece of conversation.turn('abc', 100, greedy)) {
    written += piece;
    if (written.length === 3) conversation.stop();
  }
  expect(written).toHaveLength(3);
  expect(await turn(conversation, '', 2)).toHaveLength(2);
});

it('reads turns and commands from a pipe, line by line', async () => {
  const [input, output] = [new PassThrough(), new PassThrough()];
  input.end('abc\n/undo\nabc\n/new\nabc\n/quit\nabc\n');
  await chat(model, { count: 4, input, output, ...greedy });
  const expected = await turn(new Conversation(model), 'abc', 4);
  const printed = String(output.read());
  expect(printed).toBe(
    [expected, 'The last turn is taken back.', expected, expected, ''].join('\n'),
  );
});
