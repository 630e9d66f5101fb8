/**
 * The script of a report, without which it is complete as well: where the pointer is over a chart,
 * it shows the step and the values of the curves. It reads them off the drawn curves, by the ends
 * of the axes, which the chart has in its attributes.
 */
export const hoverScript = `
const pointsOf = (path) => {
  let x = 0;
  return Array.from(path.getAttribute('d').matchAll(/([MLV])([-0-9.]+) ?([-0-9.]*)/g), (found) => {
    if (found[1] === 'V') return [x, Number(found[2])];
    x = Number(found[2]);
    return [x, Number(found[3])];
  });
};
const numbersIn = (text) => text.split(' ').map(Number);
const leave = () => {
  for (const each of document.querySelectorAll('.reading')) each.remove();
};

document.addEventListener('pointermove', ({ target, clientX }) => {
  leave();
  const svg = target instanceof Element ? target.closest('svg[data-frame]') : null;
  const figure = svg ? svg.closest('figure') : null;
  if (figure === null) return;
  const [left, width, top, height] = numbersIn(svg.dataset.frame);
  const [[from, to], [low, high]] = [svg.dataset.steps, svg.dataset.values].map(numbersIn);
  const box = svg.getBoundingClientRect();
  const place = ((clientX - box.left) * svg.viewBox.baseVal.width) / box.width;
  const distance = ([x]) => Math.abs(x - place);
  const names = [...figure.querySelectorAll('figcaption span')].map((each) => each.firstChild.data);
  const readings = [...svg.querySelectorAll('.line')].flatMap((path, i) => {
    const near = pointsOf(path).reduce((a, b) => (distance(a) > distance(b) ? b : a), [1e9, 0]);
    if (distance(near) > width / 20) return [];
    const level = low + (high - low) * (1 - (near[1] - top) / height);
    const value = svg.classList.contains('log') ? 10 ** level : level;
    const shown = String(Number(value.toPrecision(3)));
    return [names[i] === undefined ? shown : names[i] + ' ' + shown];
  });
  const step = Math.round(from + ((to - from) * (place - left)) / width);
  if (readings.length === 0 || left > place || place > left + width) return;
  const reading = document.createElement('p');
  reading.className = 'reading';
  reading.textContent = 'near step ' + step.toLocaleString('en') + ': ' + readings.join(', ');
  figure.querySelector('details').before(reading);
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'line');
  const ends = { x1: place, x2: place, y1: top, y2: top + height, class: 'reading axis' };
  for (const [name, end] of Object.entries(ends)) line.setAttribute(name, end);
  svg.append(line);
});
document.addEventListener('pointerleave', leave);
`;
