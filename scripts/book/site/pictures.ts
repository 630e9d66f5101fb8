/**
 * The pictures of a page, as far as every page has to know of them: once one comes near the window,
 * the script is loaded that gives it controls (pieces.ts).
 */
import { loadCode } from './run.ts';

/** What that script puts down. */
export interface PieceScript {
  /** Gives a picture its controls, if there are any for it. */
  mambagradPiece?: (image: HTMLImageElement) => void;
}

/** The name of a picture, by its file; undefined if the image is something else. */
export function nameOf({ src }: HTMLImageElement): string | undefined {
  return /\/pictures\/([\w-]+)\.svg$/.exec(src)?.[1];
}

/** Watches the pictures of the page. */
export function connectPictures(): void {
  const observer = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting || !(target instanceof HTMLImageElement)) continue;
      observer.unobserve(target);
      const connect = (): void => (globalThis as PieceScript).mambagradPiece?.(target);
      // Without it the picture is what it is on paper.
      void loadCode('pieces').then(connect, () => undefined);
    }
  }, { rootMargin: '100% 0px' });
  for (const image of document.querySelectorAll<HTMLImageElement>('main img')) {
    if (nameOf(image) !== undefined) observer.observe(image);
  }
}
