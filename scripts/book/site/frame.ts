/**
 * The script of the frame in which code runs. The frame is sandboxed: it has an origin of its own,
 * so that what runs there reaches neither the page nor anything that the site keeps. It starts one
 * worker, from text that it is sent.
 */

interface Start {
  readonly code: readonly string[];
  readonly job: unknown;
}

addEventListener('message', ({ data, ports: [output, trouble] }: MessageEvent<Start>) => {
  const address = URL.createObjectURL(new Blob([...data.code], { type: 'text/javascript' }));
  const worker = new Worker(address);
  worker.addEventListener('error', ({ message }) => trouble.postMessage(message));
  worker.postMessage(data.job, [output]);
}, { once: true });
