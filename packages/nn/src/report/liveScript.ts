/**
 * The script of the live page, which runs in the browser. It replaces the content of the page by
 * what the server sends (renew.ts), and says whether the server still does.
 */
import { renew } from './renew.ts';

export const liveScript: string = `
const renew = ${String(renew)};
const status = document.body.appendChild(document.createElement('p'));
status.className = 'live';
status.setAttribute('role', 'status');

const say = (text) => { status.textContent = text; };
const show = (markup) => renew(document, markup);

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
