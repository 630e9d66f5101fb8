/**
 * Deep learning in one file, with no import. A small Mamba reads first names letter by letter,
 * learns how names are spelt, and writes new ones. The packages compute the same with tensors, in
 * parallel and compiled; all the rest is speed.
 */

// 1. Backpropagation. Each value keeps the inputs it was computed from, and its derivative with
// respect to each. By the chain rule, these give the derivative of the loss with respect to all:
//
//     d loss / d input  =  Σ over the results that use it   d loss / d result · d result / d input

/** A number; `grad` is d loss / d data. */
interface Value {
  data: number;
  grad: number;
  readonly inputs: readonly Value[];
  readonly derivatives: readonly number[];
}
type Vector = readonly Value[];
type Matrix = readonly Vector[];
const leaf = (data: number): Value => ({ data, grad: 0, inputs: [], derivatives: [] });

/** All results since the last backward pass, in the order in which they were computed. */
const tape: Value[] = [];
function record(data: number, inputs: Vector, derivatives: readonly number[]): Value {
  const result = { data, grad: 0, inputs, derivatives };
  tape.push(result);
  return result;
}

/** From the last result to the first: a result is reached after all others that use it. */
function backward(loss: Value): void {
  loss.grad = 1;
  for (let result = tape.pop(); result !== undefined; result = tape.pop()) {
    const { grad, inputs, derivatives } = result;
    for (let i = 0; i < inputs.length; i++) inputs[i].grad += grad * derivatives[i];
  }
}

// The operations: each computes a number, and its derivative with respect to each input.
const add = (a: Value, b: Value): Value => record(a.data + b.data, [a, b], [1, 1]);
const mul = (a: Value, b: Value): Value => record(a.data * b.data, [a, b], [b.data, a.data]);
const dataOf = (x: Vector): number[] => x.map(({ data }) => data);
const sum = (x: readonly number[]): number => x.reduce((total, each) => total + each, 0);

/** a₀b₀ + a₁b₁ + … */
function dot(a: Vector, b: Vector): Value {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i].data * b[i].data;
  return record(total, a.concat(b), dataOf(b.concat(a)));
}
const multiply = (rows: Matrix, x: Vector): Value[] => rows.map((row) => dot(row, x));

/** x / √(mean of x²), which makes its numbers about as large as 1; then times learned weights. */
function rmsNorm(x: Vector, weights: Vector): Value[] {
  const rms = Math.sqrt(sum(x.map(({ data }) => data ** 2)) / x.length + 1e-5);
  const scale = record(1 / rms, x, x.map(({ data }) => -data / (x.length * rms ** 3)));
  return x.map((each, i) => mul(mul(each, scale), weights[i]));
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
/** log(1 + eˣ), which is positive for every x; its derivative is the sigmoid. */
const softplus = (x: Value): Value =>
  record(Math.max(x.data, 0) + Math.log1p(Math.exp(-Math.abs(x.data))), [x], [sigmoid(x.data)]);
/** x · sigmoid(x): close to x where x is large, and to 0 where x is far below 0. */
function silu(x: Value): Value {
  const s = sigmoid(x.data);
  return record(x.data * s, [x], [s + x.data * s * (1 - s)]);
}

/** exp(Δ·A) with A = −exp(a): the fraction of a state that is left after a time Δ. */
function decay(delta: Value, a: Value): Value {
  const A = -Math.exp(a.data);
  const left = Math.exp(delta.data * A);
  return record(left, [delta, a], [left * A, left * A * delta.data]);
}

/** Scores as probabilities: eˣ of each, divided by their sum. */
function softmax(scores: readonly number[]): number[] {
  const largest = Math.max(...scores); // subtracted, so that no power overflows
  const powers = scores.map((score) => Math.exp(score - largest));
  const total = sum(powers);
  return powers.map((power) => power / total);
}

/** −log of the probability of the right token: close to 0 if the model was sure of it. */
function crossEntropy(scores: Vector, right: number): Value {
  const probabilities = softmax(dataOf(scores));
  const derivatives = probabilities.map((p, token) => (token === right ? p - 1 : p));
  return record(-Math.log(probabilities[right]), scores, derivatives);
}

// 2. The names: every fifteenth of examples/data/names.txt (Moby word lists, public domain).
const names = `
aaren adah adelice adrea agata aidan aimil albertine alexandra alicea alix allx alta alyssa amargo
amitie anastasie andriette angelina ann anne annora antonina ardelis ariadne arleyne ashla athene
audrie auria avis bambie barrie becky belva berna berny beryle betti bibbie binny blinnie bobby
brandea brett brigitte brittany brynna calley camille caralie cariotta carlota carmen caroline
casandra cate cathrine cecelia celestyn chandra charlene chelsea cherise chlo christen chryste
cissiee clarie clea clotilda colline constantina cordey corina corri crin crysta cynthie daisie dani
danny darcie darrelle davida debbie deedee delinda deni deva diane dione dollie donica dorelia
dorisa dorry druci dulcinea eadith eden eileen eleanore elianore elizabeth elmira elsinore emalee
emlyn emogene ericha ernesta estella ettie evangelina evy fanni fawn felice fernandina fionna
florette flss franny freida gabriellia gaye genni georgianna germana giana gilligan gisele glenn
golda grazia guenna gustie gwyneth hally harmony heather helaine henrietta hettie holly hynda ilka
inessa iormina iseabal jacinda jacqueline jami janella janina jasmin jeanna jenelle jennifer jessa
jill joann jodee joey joline jorrie joy judye juliette kacie kali kanya karina karlyn karylin
katerine kathrine katti keeley kelly kerry kikelia kippie kit kordula kristan krystyna laetitia
laraine laural laurie leanna leigh lenore leshia letty libbey lilias lindie lira liv lois loralee
lorianna lorry lucia luella lydia lynn mada madella magdalena maisie malory marcelia maressa margery
mariana mariellen maris marketa marney marthena maryellen mathilde maurise meagan mela melisandra
melodee meriel merrielle michaella miguelita mimi minta mirna molli morganne muriel nada nanci nara
natividad nelle nessy nicol nikolia noelani nonie nydia ofilia olympe oralie othelia pandora patty
pearle peri petronilla phillie piper prudi rae rana raquela rebecca reiko retha rhona rita robenia
rochette ronni rosalia roseanna rosie roxine rubia sabina sally sandy sarita selene shaina shannah
sharline shayna shelbi sherline shoshanna sidoney siobhan sonnnie stacie stepha stormie susanne
sybille talia tamma tansy ted teressa tessy therine tiffy tiphani tommi tova trista tybi ursulina
valeria vanna veriee vicky violante vivi vonny wendie willi winne xena yolanda zarah zondra
`.trim().split(/\s+/);

/** Token 0 begins a name and ends it; 1 to 26 are the letters. */
const alphabet = '.abcdefghijklmnopqrstuvwxyz';
const tokensOf = (name: string): number[] => Array.from(`.${name}.`, (c) => alphabet.indexOf(c));

// 3. The model. First its parameters, the numbers that it learns. They begin at random.
let seed = 7;
/** A random number from 0 to 1, by Lehmer's generator: the same ones in every run. */
const random = (): number => (seed = (seed * 48271) % 2147483647) / 2147483647;
const vector = (size: number, at: (i: number) => number): Value[] =>
  Array.from({ length: size }, (_, i) => leaf(at(i)));
const matrix = (rows: number, columns: number): Matrix =>
  Array.from({ length: rows }, () => vector(columns, () => (2 * random() - 1) / columns ** 0.5));

// Sizes: of a token's vector, of the block inside, of the state of each channel of the block, of
// the vector from which Δ is computed, and of the convolution.
const [hidden, inner, states, rank, taps] = [16, 32, 8, 1, 4];
const embedding = matrix(alphabet.length, hidden);
const norm = vector(hidden, () => 1);
const inProj = matrix(2 * inner, hidden);
const conv = matrix(inner, taps);
const convBias = vector(inner, () => 0);
const xProj = matrix(rank + 2 * states, inner);
const dtProj = matrix(inner, rank);
// Δ begins between 0.001 and 0.1: some channels remember a hundred times longer than others.
const dtBias = vector(inner, () => Math.log(Math.expm1(0.001 * 100 ** random())));
const ALog = Array.from({ length: inner }, () => vector(states, (n) => Math.log(n + 1)));
const D = vector(inner, () => 1);
const outProj = matrix(hidden, inner);
const normF = vector(hidden, () => 1);
const matrices = [embedding, inProj, conv, xProj, dtProj, outProj].flat(2);
const parameters = [...matrices, ...norm, ...convBias, ...dtBias, ...ALog.flat(), ...D, ...normF];

/** All that the model keeps of the letters before: the last signals, and the state h. */
const emptyMemory = () => ({
  signals: Array.from({ length: taps }, () => vector(inner, () => 0)),
  h: Array.from({ length: inner }, () => vector(states, () => 0)),
});

/**
 * Reads a token, and gives every token a score as the next one. In the middle is the selective
 * scan. It has channels, each with an input u, a state h and an output y:
 *
 *     h ← exp(Δ·A) · h + Δ·B · u        y = C · h + D · u
 *
 * It is selective because Δ, B and C are computed from the input: the input decides how much of the
 * past is forgotten, and where in the state it is written and read.
 */
function read(token: number, memory: ReturnType<typeof emptyMemory>): Value[] {
  const x = embedding[token];
  const projected = multiply(inProj, rmsNorm(x, norm));
  const [signal, gate] = [projected.slice(0, inner), projected.slice(inner)];
  // A short convolution: each channel sees its signal at the last four letters.
  memory.signals = [...memory.signals.slice(1), signal];
  const u = conv.map((weights, d) => (
    silu(add(dot(weights, memory.signals.map((past) => past[d])), convBias[d]))
  ));
  // The scan, with a Δ for each channel, and the same B and C for all. The gate scales its output.
  const chosen = multiply(xProj, u);
  const [low, B, C] = [chosen.slice(0, rank), chosen.slice(rank, -states), chosen.slice(-states)];
  const y = u.map((input, d) => {
    const delta = softplus(add(dot(dtProj[d], low), dtBias[d]));
    const written = mul(delta, input);
    memory.h[d] = memory.h[d].map((h, n) => dot([decay(delta, ALog[d][n]), written], [h, B[n]]));
    return mul(add(dot(C, memory.h[d]), mul(D[d], input)), silu(gate[d]));
  });
  const result = multiply(outProj, y).map((change, i) => add(x[i], change));
  return multiply(embedding, rmsNorm(result, normF));
}

/** The loss of each letter of a name, and of its end: each is predicted from those before. */
function lossesOf(name: string): Value[] {
  const [memory, tokens] = [emptyMemory(), tokensOf(name)];
  return tokens.slice(1).map((next, t) => crossEntropy(read(tokens[t], memory), next));
}

/** A new name. Each letter is drawn by the probabilities that the model gives. */
function write(): string {
  const memory = emptyMemory();
  let name = '';
  for (let token = 0; name.length < 12; name += alphabet[token]) {
    let left = random();
    const scores = dataOf(read(token, memory)).map((score) => score / 0.7); // prefers the likely
    token = softmax(scores).findIndex((probability) => (left -= probability) < 0);
    if (token <= 0) break;
  }
  return name;
}

// 4. The optimizer.
const moments = parameters.map(() => ({ mean: 0, meanSquare: 0 }));
const decayed = new Set(matrices);

/** AdamW: steps of about the size of the learning rate, however large the gradients are. */
function update(step: number, lr: number, beta1 = 0.9, beta2 = 0.99, weightDecay = 0.1): void {
  for (const [i, parameter] of parameters.entries()) {
    const moment = moments[i];
    moment.mean = beta1 * moment.mean + (1 - beta1) * parameter.grad;
    moment.meanSquare = beta2 * moment.meanSquare + (1 - beta2) * parameter.grad ** 2;
    const root = Math.sqrt(moment.meanSquare / (1 - beta2 ** step)) + 1e-8;
    if (decayed.has(parameter)) parameter.data *= 1 - lr * weightDecay;
    parameter.data -= (lr * moment.mean) / (1 - beta1 ** step) / root;
    parameter.grad = 0;
  }
}

// 5. Training. A tenth of the names is held out, to see whether it learns more than a list.
const heldOut = names.filter((_, i) => i % 10 === 5);
const learned = names.filter((name) => !heldOut.includes(name));
const letters = learned.flatMap((name) => tokensOf(name).slice(1));
const average = (x: readonly number[]): number => sum(x) / x.length;
const baseline = average(heldOut.flatMap((name) => tokensOf(name).slice(1)).map((letter) => (
  -Math.log(letters.filter((other) => other === letter).length / letters.length)
)));
console.log(`${parameters.length} parameters learn from ${learned.length} names.`);
console.log(`Loss by the frequency of letters alone: ${baseline.toFixed(2)}`);
const steps = 300;
for (let step = 1; step <= steps; step++) {
  for (let i = 0; i < 8; i++) {
    const name = learned[Math.floor(random() * learned.length)];
    backward(lossesOf(name).reduce(add)); // adds to the gradients of the names before
  }
  update(step, 0.02 * Math.min(step / 20, 1 - step / (steps + 1)));
  if (step % 30 !== 0) continue;
  const loss = average(heldOut.flatMap((name) => dataOf(lossesOf(name)))).toFixed(2);
  console.log(`step ${step}/${steps}  held-out loss ${loss}  ${[1, 2, 3].map(write).join(' ')}`);
  tape.length = 0;
}
const written = Array.from({ length: 40 }, write).filter((name) => !names.includes(name));
console.log(`\nNames that are not in the list:\n${written.join(' ')}`);
