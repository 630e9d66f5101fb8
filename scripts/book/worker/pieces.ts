/** Draws the interactive pieces of a page, in a worker, so that the page never waits for them. */
import { drawPiece } from '../../pictures/src/pieces.ts';
import type { Drawing, PieceJob } from './messages.ts';

/** Draws whatever the page asks for. */
export function servePieces(): void {
  self.onmessage = async ({ data: { id, name, settings } }: MessageEvent<PieceJob>) => {
    self.postMessage({ id, ...await outcomeOf(name, settings) } satisfies Drawing);
  };
}

async function outcomeOf(
  name: string, settings: PieceJob['settings'],
): Promise<Omit<Drawing, 'id'>> {
  try {
    return { svg: await drawPiece(name, settings) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
