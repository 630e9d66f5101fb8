// What the compiler makes of a function: its program, the kernels, in which ops share loops, the
// stages in which they run, and the WebAssembly.
import { compile, formatKernels, formatStages, ones, Linear, manualSeed } from 'mambagrad';

manualSeed(1);
const layer = new Linear(64, 32);
const f = compile((x) => layer.forward(x).silu().mul(2).sum());
console.log(f(ones([16, 64])).item());

console.log('The program:');
console.log(f.listing());

console.log('\nIts kernels:');
console.log(formatKernels(f.kernels()));

console.log('\nIn which order and on which threads they run:');
console.log(formatStages(f.stages()));

const wat = f.wat();
console.log(`\nThe start of its ${wat.split('\n').length} lines of WebAssembly:`);
console.log(wat.split('\n').slice(0, 60).join('\n'));
