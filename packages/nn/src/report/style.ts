/**
 * The look of a report: in light or dark, as the reader's system is set; on wide screens with
 * charts side by side, on a phone one below the other, with larger letters in them, as they are
 * scaled down; and on paper.
 */
import type { Markup } from './markup.ts';

const colors = {
  light: {
    page: '#ffffff', panel: '#f6f8fa', line: '#d1d9e0', text: '#1f2328', muted: '#59636e',
    c0: '#1f83c8', c1: '#d97f00', c2: '#008f68', c3: '#c0508c', c4: '#7a5cc7', c5: '#a8611c',
    c6: '#5b6770', c7: '#9a8700', c8: '#00838f', c9: '#c62f2f',
  },
  dark: {
    page: '#0d1117', panel: '#151b23', line: '#3d444d', text: '#e6edf3', muted: '#9ea7b3',
    c0: '#58aef2', c1: '#f2a93b', c2: '#2cc59b', c3: '#e58abd', c4: '#a992f5', c5: '#d99a62',
    c6: '#a9b4bf', c7: '#dccb46', c8: '#4fd0dd', c9: '#ff7b72',
  },
};

const variables = (of: Readonly<Record<string, string>>): string =>
  Object.entries(of).map(([name, value]) => `--${name}: ${value};`).join(' ');

/** The classes c0, c1, … give the colour of a curve, to lines and to the signs of a legend. */
const curveColors = Object.keys(colors.light)
  .filter((name) => /^c\d$/.test(name))
  .map((name) => `.${name} { stroke: var(--${name}); color: var(--${name}); }`)
  .join('\n');

/** The content of the style element of a report. */
export const style: Markup = `
:root { color-scheme: light dark; ${variables(colors.light)} }
@media (prefers-color-scheme: dark) { :root { ${variables(colors.dark)} } }
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 24px 20px 48px; max-width: 1240px; overflow-wrap: anywhere;
  background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
h1 { margin: 0 0 4px; font-size: 26px; line-height: 1.25; }
h2 { margin: 36px 0 12px; font-size: 19px; }
h1, h2, h3, td, th, pre, dd { unicode-bidi: isolate; }
p { margin: 4px 0; max-width: 75ch; }
.muted, dt, summary, figcaption { color: var(--muted); }
dl { display: flex; flex-wrap: wrap; gap: 10px; margin: 18px 0 0; }
dl div {
  flex: 1 1 150px; max-width: 260px; padding: 10px 14px;
  background: var(--panel); border: 1px solid var(--line); border-radius: 8px;
}
dt { font-size: 13px; }
dd { margin: 0; font-size: 19px; font-weight: 600; font-variant-numeric: tabular-nums; }
dd small { display: block; font-size: 13px; font-weight: 400; color: var(--muted); }
.charts {
  margin-top: 12px;
  display: grid; gap: 18px; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr));
}
figure {
  min-width: 0; max-width: 640px; margin: 0; padding: 12px 14px 8px; position: relative;
  background: var(--panel); border: 1px solid var(--line); border-radius: 8px;
}
figure h3 { margin: 0; font-size: 16px; color: var(--text); }
figcaption { margin-bottom: 6px; padding-right: 90px; min-height: 45px; font-size: 13px; }
figcaption span { margin-right: 14px; white-space: nowrap; }
figcaption span::before {
  content: ""; display: inline-block; width: 16px; height: 0; margin-right: 6px;
  vertical-align: 4px; border-top: 3px solid; color: inherit;
}
figcaption span.dots::before {
  width: 7px; height: 7px; vertical-align: 1px; border: 0; border-radius: 50%;
  background: currentColor;
}
figcaption b { font-weight: 400; color: var(--muted); }
figure label { position: absolute; top: 13px; right: 14px; font-size: 13px; color: var(--muted); }
figure input { position: absolute; top: 14px; right: 74px; margin: 3px 0; }
figure input:checked ~ .linear, figure input:not(:checked) ~ .log { display: none; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { fill: var(--muted); font-size: 12px; font-variant-numeric: tabular-nums; }
svg path, svg circle { fill: none; stroke-linejoin: round; stroke-linecap: round; }
.grid { stroke: var(--line); stroke-width: 0.7; }
.axis { stroke: var(--muted); stroke-width: 1; }
.resume { stroke: var(--muted); stroke-width: 1; stroke-dasharray: 3 3; }
.line { stroke-width: 1.8; }
.raw { stroke-width: 1; opacity: 0.32; }
.marks { stroke-width: 5; }
.best { stroke-width: 2; }
${curveColors}
details { margin: 6px 0; }
summary { cursor: pointer; font-size: 13px; }
.scroll { overflow: auto; max-height: 420px; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td {
  padding: 3px 10px; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap;
}
th { font-weight: 600; }
.words th, .words td { text-align: left; vertical-align: top; }
.words td { white-space: normal; }
.matrix td { min-width: 44px; text-align: center; border: 1px solid var(--page); }
.matrix th { border: 0; text-align: center; }
pre {
  margin: 0; padding: 12px 14px; overflow: auto; max-height: 420px;
  font: 13px/1.45 ui-monospace, "DejaVu Sans Mono", Consolas, monospace;
  background: var(--panel); border: 1px solid var(--line); border-radius: 8px;
}
pre.words { white-space: pre-wrap; }
h3.sample { margin: 14px 0 4px; font-size: 14px; color: var(--muted); }
p.reading { float: right; margin: 0; font-size: 13px; color: var(--muted); }
svg .reading { pointer-events: none; }
.live {
  position: fixed; right: 12px; bottom: 12px; margin: 0; padding: 4px 12px; font-size: 13px;
  background: var(--panel); border: 1px solid var(--line); border-radius: 14px;
}
@media (max-width: 560px) {
  body { padding: 16px 12px 32px; }
  svg text { font-size: 16px; }
  dl div { flex-basis: 130px; }
  .matrix th:first-child { max-width: 86px; white-space: normal; }
  .matrix th, .matrix td { min-width: 26px; padding: 3px 4px; font-size: 12px; }
}
@media print { figure, dl div, pre { break-inside: avoid; } .scroll, pre { max-height: none; } }
` as Markup;
