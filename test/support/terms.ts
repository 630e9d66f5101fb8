/**
 * The terms of a glossary in the prose of a book: where each is in bold for the first time, which
 * is where it is explained, and how often it was used until then.
 */
import { proseOf } from './chapter.ts';

/** A page as it is read, in small letters: no code, formulas, headings, pictures, or targets. */
export function readingOf(text: string): string {
  return proseOf(text)
    .replace(/\nAfter this chapter you can:\n\n(?:(?:- | {2}).*\n)+/, '\n')
    .replaceAll(/^(?: {4}|#+ |Next: ).*$/gm, '')
    .replaceAll(/`[^`]*`/g, ' ')
    .replaceAll(/!\[[^\]]*\]\([^)]*\)/g, ' ')
    .replaceAll(/\]\([^)]*\)/g, ']')
    .toLowerCase();
}

/** Where a term is written, in any form of a noun or a verb: `axes`, `donated`, `top-k`. */
function patternOf(term: string): RegExp {
  const escaped = term.toLowerCase().replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  const words = escaped.replaceAll(/[\s-]+/g, String.raw`[\s-]+`);
  const stem = words.replace(/(?:[ey]|(?<=[^s])is)$/, '');
  const ending = '(?:e|y|is)?(?:e?[sd]|ies|ing)?';
  return new RegExp(String.raw`(?<![\p{L}\p{N}_/.-])${stem}${ending}(?![\p{L}\p{N}_-])`, 'gu');
}

/** Where a term is explained, and where it is used before. */
export interface Introduction {
  /** The index of the first page on which the term is in bold, or −1. */
  readonly page: number;
  /** The uses before that, each with its page and the words around it. */
  readonly before: readonly string[];
}

/** Finds the introduction of a term in pages that are read one after the other. */
export function introductionOf(
  term: string, pages: readonly string[], terms: readonly string[],
): Introduction {
  const pattern = patternOf(term);
  // A state space model is no state, and checkpointing no checkpoint: other terms are left out.
  const others = terms.filter((other) =>
    other !== term && other.toLowerCase().search(pattern) >= 0);
  const before: string[] = [];
  for (const [page, text] of pages.entries()) {
    if (text.search(pattern) < 0) continue;
    const rest = others.reduce((left, other) => left.replaceAll(patternOf(other), '…'), text);
    const bold = Array.from(rest.matchAll(/\*\*([^*]+)\*\*/g))
      .find(([, words = '']) => words.search(pattern) >= 0);
    for (const { 0: use, index } of rest.slice(0, bold?.index).matchAll(pattern)) {
      const around = rest.slice(Math.max(0, index - 30), index + use.length + 30);
      before.push(`${page}: …${around.replaceAll(/\s+/g, ' ').trim()}…`);
    }
    if (bold !== undefined) return { page, before };
  }
  return { page: -1, before };
}
