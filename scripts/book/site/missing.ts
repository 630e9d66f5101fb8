/** What the page for missing ones runs: it says what was asked for, and searches for its words. */
const asked = document.getElementById('asked');
if (asked !== null) asked.textContent = decoded(location.pathname);
const search = document.getElementById('search');
if (search instanceof HTMLInputElement) {
  search.value = wordsIn(decoded(location.pathname));
  // The search begins where there is a text when it gets the focus.
  search.focus();
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** The words of an address: those of `/old/07-the-scan.html` are `the scan`. */
function wordsIn(path: string): string {
  const name = path.split('/').findLast((part) => part !== '') ?? '';
  return name.replace(/\.\w+$/, '').replaceAll(/[^\p{L}\d]+/gu, ' ').replace(/^ ?\d+ /, '').trim();
}
