/** Selective scans and SSD in every algorithm, with every option, over short and long sequences. */
import { selectiveScan, type SelectiveScanOptions, ssd, type SSDOptions } from '@mambagrad/mamba';
import type { Shape, Tensor } from '@mambagrad/tensor';
import { type Case, floats, inAllWays, indices } from './cases.ts';

/** Flags of a sequence, and none. */
function flagsOf(batch: number, length: number) {
  return {
    plain: {},
    reset: { reset: indices([batch, length], 2) },
    segments: { segmentIds: indices([batch, length], 3) },
    mask: { mask: indices([batch, length], 2) },
  };
}

/** B, L, D, N */
const scanSizes: readonly Shape[] =
  [[1, 1, 1, 1], [2, 70, 37, 16], [2, 33, 128, 5], [1, 300, 9, 4]];

function* selectiveScans(): Iterable<Case> {
  for (const [B, L, D, N] of scanSizes) {
    const inputs = [
      floats([B, L, D]), floats([B, L, D], 0.01, 1, 3), floats([D, N], -2, -0.1),
      floats([B, L, N], -2, 2, 4), floats([B, L, N], -2, 2, 5),
    ];
    const more = [floats([D]), floats([B, L, D], -2, 2, 6), floats([D], -1, 1), floats([B, D, N])];
    const algorithms = L > 256 ? ['fused', 'segmented'] as const : ['fused'] as const;
    for (const [kind, flags] of Object.entries(flagsOf(B, L))) {
      for (const algorithm of algorithms) {
        const scan = (...[u, delta, A, b, c, ...rest]: Tensor[]) => {
          const [d, z, deltaBias, initialState] = rest;
          const options: SelectiveScanOptions = rest.length === 0 ? {} : {
            D: d, z, deltaBias, initialState, deltaSoftplus: true,
          };
          const chunkSize = algorithm === 'segmented' ? 64 : undefined;
          return selectiveScan(u, delta, A, b, c, { ...options, ...flags, algorithm, chunkSize });
        };
        const name = `selectiveScan ${B} ${L} ${D} ${N} ${algorithm} ${kind}`;
        if (B === 1 || kind === 'plain') yield* inAllWays(name, scan, inputs, ['wasm']);
        const backends = D === 37 ? ['wasm', 'js'] as const : ['wasm'] as const;
        if (B > 1) yield* inAllWays(`${name} options`, scan, [...inputs, ...more], backends);
      }
    }
  }
  const small = [
    floats([2, 19, 3]), floats([2, 19, 3], 0.01, 1, 3), floats([3, 4], -2, -0.1),
    floats([2, 19, 4], -2, 2, 4), floats([2, 19, 4], -2, 2, 5),
  ];
  for (const algorithm of ['sequential', 'blelloch', 'hillisSteele', 'chunked'] as const) {
    yield* inAllWays(`selectiveScan ${algorithm}`, (u, delta, A, b, c) =>
      selectiveScan(u, delta, A, b, c, { algorithm, chunkSize: 8, returnStates: true }), small);
  }
}

/** B, L, H, P, G, N */
const ssdSizes: readonly Shape[] = [
  [1, 1, 1, 1, 1, 1], [2, 75, 6, 5, 3, 9], [1, 130, 2, 32, 1, 16], [2, 40, 4, 64, 2, 128],
];

function* stateSpaceDuality(): Iterable<Case> {
  for (const [i, [B, L, H, P, G, N]] of ssdSizes.entries()) {
    const inputs = [
      floats([B, L, H, P]), floats([B, L, H], 0.01, 1, 3), floats([H], -2, -0.1),
      floats([B, L, G, N], -1, 1, 4), floats([B, L, G, N], -1, 1, 5),
      floats([H]), floats([B, H, P, N]),
    ];
    // The others are made of ops.
    const algorithms = i < 2 ? ['fused', 'chunked', 'recurrent'] as const : ['fused'] as const;
    for (const [kind, flags] of Object.entries(flagsOf(B, L))) {
      if (i > 1 && kind !== 'mask') continue;
      for (const algorithm of algorithms) {
        const options: SSDOptions = { ...flags, algorithm };
        yield* inAllWays(`ssd ${B} ${L} ${H} ${P} ${G} ${N} ${algorithm} ${kind}`,
          (x, dt, A, b, c, D, initialState) => ssd(x, dt, A, b, c, { D, initialState, ...options }),
          inputs, i < 2 && kind === 'mask' ? ['wasm', 'js'] : ['wasm']);
      }
    }
  }
}

/** The cases of both scans. */
export function* scanCases(): Iterable<Case> {
  yield* selectiveScans();
  yield* stateSpaceDuality();
}
