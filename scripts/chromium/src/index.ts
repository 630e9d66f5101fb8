/** Chromium over DevTools, and a server for it: for tests, benchmarks and `npm run consumers`. */
export {
  type Browser, type ChromiumOptions, findChromium, type Message, NO_CHROMIUM, type Page,
  type Screenshot, startChromium, type View,
} from './chromium.ts';
export { serve, type ServeOptions, type Server, withAddresses } from './server.ts';
