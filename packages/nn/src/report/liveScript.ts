/**
 * The script of the live page, which runs in the browser. It replaces the content of the page by
 * what the server sends, and leaves the rest as the reader has it: where the page and its boxes are
 * scrolled to, which details are open, which axes are logarithmic, and where the keyboard is.
 */
export const liveScript = `
const main = document.querySelector('main');
const status = document.body.appendChild(document.createElement('p'));
status.className = 'live';
status.setAttribute('role', 'status');

const say = (text) => { status.textContent = text; };
const boxes = () => [...main.querySelectorAll('.scroll, pre')];

function show(markup) {
  const all = (name) => [...main.querySelectorAll(name)];
  const open = new Map(all('details').map((each) => [each.id, each.open]));
  const checked = new Map(all('input').map((each) => [each.id, each.checked]));
  const scrolled = boxes().map((each) => [each.scrollLeft, each.scrollTop]);
  const focused = document.activeElement && document.activeElement.id;
  const [x, y] = [scrollX, scrollY];
  main.innerHTML = markup;
  for (const each of all('details')) each.open = open.get(each.id) ?? false;
  for (const each of all('input')) each.checked = checked.get(each.id) ?? each.checked;
  boxes().forEach((each, i) => {
    if (scrolled[i]) [each.scrollLeft, each.scrollTop] = scrolled[i];
  });
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  scrollTo(x, y);
}

const events = new EventSource('events');
events.onopen = () => say('live');
events.onmessage = ({ data }) => { show(JSON.parse(data)); say('live'); };
events.addEventListener('end', ({ data }) => {
  events.close();
  show(JSON.parse(data));
  say('fit has ended; this page changes no more');
});
events.onerror = () => say('the process that trains does not answer');
`;
