const variant = process.argv[2];
const { Linear, Module, AdamW, Trainer, mseLoss } = await import(variant === 'before' ? './dist-before/index.js' : './dist/index.js');
const { manualSeed, uniform } = await import('@mambagrad/tensor');
manualSeed(1);
const width = Number(process.argv[3] ?? 1024), batch = Number(process.argv[4] ?? 16), steps = Number(process.argv[5] ?? 40);
class Net extends Module { a = new Linear(width, width); b = new Linear(width, width); c = new Linear(width, width); d = new Linear(width, width); e = new Linear(width, width);
  forward(x) { return this.e.forward(this.d.forward(this.c.forward(this.b.forward(this.a.forward(x).tanh()).tanh()).tanh()).tanh()); } }
const model = new Net();
const x = uniform([batch, width], -1, 1);
const times = []; let last = performance.now();
const t = new Trainer({ model, optimizer: new AdamW(model.parameters(), { lr: 1e-4 }), data: () => ({ x }), loss: ({ x }) => ({ loss: mseLoss(model.forward(x), x) }), maxNorm: process.argv[6] ? Number(process.argv[6]) : undefined,
  callbacks: [() => { const n = performance.now(); times.push(n - last); last = n; }] });
await t.fit(steps);
const s = times.slice(5).sort((a, b) => a - b);
const m = process.memoryUsage();
console.log(variant, model.parameterCount(), 'min', s[0].toFixed(2), 'median', s[s.length >> 1].toFixed(2), 'maxRSS MB', (process.resourceUsage().maxRSS / 1024).toFixed(0), 'arrayBuffers', (m.arrayBuffers / 1e6).toFixed(0), 'external', (m.external/1e6).toFixed(0));
