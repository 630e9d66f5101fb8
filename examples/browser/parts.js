/** What both pages need. */

/**
 * An element of the page by its id.
 * @template {HTMLElement} T @param {string} id @param {new () => T} type @returns {T}
 */
export function byId(id, type) {
  const element = document.getElementById(id);
  if (element instanceof type) return element;
  throw new Error(`there is no ${type.name} #${id}`);
}

/**
 * Moves a square once a frame, and shows the longest pause between two frames: so long was the
 * thread of the page busy, with this or something else.
 * @param {HTMLElement} square @param {HTMLElement} output
 */
export function watchPauses(square, output) {
  let [last, longest] = [0, 0];
  /** @param {number} time */
  function move(time) {
    if (last > 0) longest = Math.max(longest, time - last);
    last = time;
    output.textContent = `${longest.toFixed(0)} ms`;
    const track = square.parentElement?.clientWidth ?? 0;
    const way = (1 + Math.sin(time / 700)) / 2;
    square.style.transform = `translateX(${way * (track - square.clientWidth)}px)`;
    requestAnimationFrame(move);
  }
  requestAnimationFrame(move);
  // A page that nobody sees gets no frames.
  document.addEventListener('visibilitychange', () => { last = 0; });
  return { reset: () => { [last, longest] = [0, 0]; } };
}
