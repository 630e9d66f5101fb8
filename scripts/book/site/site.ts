/** What every page of the site runs when it has been read. */
import { connectBlocks } from './blocks.ts';
import { connectNavigation } from './navigation.ts';
import { connectPictures } from './pictures.ts';
import { markSolved } from './progress.ts';
import { connectSearch } from './search.ts';
import { connectThemeSwitch } from './theme.ts';

const themeSwitch = document.getElementById('theme');
if (themeSwitch !== null) connectThemeSwitch(themeSwitch);
connectSearch(document.body.dataset['root'] ?? '');
connectNavigation();
connectBlocks();
connectPictures();
markSolved();
