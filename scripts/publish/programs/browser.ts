/** The one file for pages without a bundler: it exports and computes what the packages do. */
import * as packages from 'mambagrad';
import * as file from 'mambagrad/browser';

const missing = Object.keys(packages).filter((name) => !(name in file));
if (missing.length > 0) throw new Error(`mambagrad/browser exports no ${missing.join(', ')}`);

function bits({ compile, manualSeed, normal }: typeof packages): string {
  manualSeed(7);
  const f = compile((x: packages.Tensor) => x.matmul(x).softmax(-1), { deterministic: true });
  return f(normal([8, 8])).data.join();
}

if (bits(file) !== bits(packages)) throw new Error(`mambagrad/browser computes ${bits(file)}`);
console.log('the same');
