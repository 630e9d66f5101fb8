/** Finding one's way: where the page is in the contents, what is read of it now, what is folded. */

/** Shows the current page in the menu, and marks the section that is being read. */
export function connectNavigation(): void {
  const menu = document.getElementById('menu');
  const current = menu?.querySelector<HTMLElement>('[aria-current=page]');
  const show = (): void => current?.scrollIntoView({ block: 'center' });
  // On a phone the menu is opened first.
  menu?.addEventListener('toggle', show);
  if (menu && current && menu.scrollHeight > menu.clientHeight) {
    menu.scrollTop = current.offsetTop - menu.clientHeight / 2;
  }
  followHeadings();
  addEventListener('hashchange', unfoldTarget);
  unfoldTarget();
  for (const panel of document.querySelectorAll<HTMLElement>('#menu, #toc')) {
    // A link to a place on this page leaves the panel open otherwise.
    panel.addEventListener('click', ({ target }) => {
      const isOpen = panel.matches(':popover-open');
      if (isOpen && target instanceof HTMLAnchorElement) panel.hidePopover();
    });
  }
  for (const each of document.querySelectorAll<HTMLElement>('main pre, main .table')) {
    // What scrolls sideways has to be reached by the keyboard, too.
    if (each.scrollWidth > each.clientWidth) each.tabIndex = 0;
  }
}

/** Marks the link to the last heading that has passed the top of the window. */
function followHeadings(): void {
  const links = new Map([...document.querySelectorAll<HTMLAnchorElement>('#toc a')].map((link) =>
    [decodeURIComponent(link.hash.slice(1)), link] as const));
  const headings = [...links.keys()].flatMap((id) => document.getElementById(id) ?? []);
  let marked: HTMLAnchorElement | undefined;
  const mark = (): void => {
    const read = headings.findLast((heading) => heading.getBoundingClientRect().top < 120);
    const link = links.get(read?.id ?? '');
    if (link === marked) return;
    marked?.removeAttribute('aria-current');
    link?.setAttribute('aria-current', 'true');
    marked = link;
  };
  addEventListener('scroll', mark, { passive: true });
  mark();
}

/** Opens the folded blocks around the place that the address names: some browsers do not. */
function unfoldTarget(): void {
  const target = document.querySelector(':target');
  let fold = target?.closest('details');
  if (!fold || fold.open) return;
  for (; fold; fold = fold.parentElement?.closest('details')) fold.open = true;
  target?.scrollIntoView();
}
