// Learns how names are spelt, letter by letter, and writes new ones.
import {
  AdamW, characterTokenizer, collate, compile, crossEntropy, DataLoader, generateTexts, MambaLM,
  manualSeed,
} from 'mambagrad';
import { draw } from 'playground';

// Put in others: towns, plants, words of your language.
const names = `ada adele agnes albert alice alma amanda amelia amy andrea angela anita anna anton
arthur astrid aurora barbara beatrice bella benjamin bernard bianca boris bruno camilla carla carlos
caroline catherine cecilia charles charlotte clara claudia clemens conrad cora daniel daria david
diana dora dorothy edgar edith edward elena eleanor elias eliza ella elsa emil emily emma erica
ernest esther eva evelyn felix flora florence frances frank frederic frida gabriel george gloria
grace greta gustav hannah harold helen henry hilda hugo ida irene iris isabel ivan jacob jane jasper
joanna johanna john jonas josephine julia julian karl katharina laura leo leonard lena lilian linda
louis louisa lucas lucy lydia magnus margaret maria marina marlene martha martin matilda max melissa
michael miranda miriam monica nadia natalia nicholas nina nora norman olga oliver olivia oscar otto
paul paula pauline peter philip rachel ralph rebecca robert roland rosa rose ruth samuel sandra sara
sebastian selma simon sofia stella stephen susan sylvia theodor theresa thomas tilda tobias ursula
valentin vera veronica victor victoria vincent viola virginia walter wanda wilhelm
william`.split(/\s+/);

// A line break begins a name and ends it.
const tokenizer = characterTokenizer(['\n', ...names]);
const loader = new DataLoader(names.map((name) => tokenizer.encode(`\n${name}\n`)), {
  batchSize: 32, shuffle: true, seed: 1, dropLast: true,
  collate: (some) => collate(
    some.map((letters) => ({ tokens: letters.slice(0, -1), targets: letters.slice(1) })),
    { dtype: 'i32', padding: { tokens: 0, targets: -100 }, padToMultipleOf: 14 },
  ),
});

manualSeed(1);
const model = new MambaLM({
  vocabSize: tokenizer.vocabSize, hiddenSize: 48, stateSize: 8, numLayers: 1,
});
const optimizer = new AdamW(model.parameters(), { lr: 0.01, weightDecay: 0.1 });
const step = compile((tokens, targets) => {
  const loss = crossEntropy(model.forward(tokens), targets);
  optimizer.minimize(loss);
  return loss;
});

for (let epoch = 1; epoch <= 16; epoch++) {
  for (const { tokens, targets } of loader) draw('loss', step(tokens, targets).item());
}

const written = await generateTexts(
  model, tokenizer, Array.from({ length: 20 }, () => '\n'),
  { temperature: 0.9, stopTokens: tokenizer.encode('\n'), maxTokens: 14 },
);
const list = written.map((text) => text.trim());
console.log('new:', list.filter((name) => !names.includes(name)).join(' '));
console.log('learned by heart:', list.filter((name) => names.includes(name)).join(' '));
