/** Vite for the pages of the folder above. */
import { fileURLToPath } from 'node:url';

/** What isolates a page from other sites. Only such a page has shared memory, and so threads. */
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

export default {
  root: at('..'),
  // Files that are fetched by name, such as names.txt.
  publicDir: at('../../data'),
  server: { headers },
  preview: { headers },
  worker: { format: 'es' },
  resolve: {
    // The pages lie above this folder, from where its packages are not found by name.
    alias: { './mambagrad.js': at('node_modules/mambagrad/dist/browserModules.js') },
  },
  build: {
    outDir: at('dist'),
    emptyOutDir: true,
    // Top-level await.
    target: 'es2022',
    rollupOptions: { input: [at('../index.html'), at('../train.html')] },
  },
};
