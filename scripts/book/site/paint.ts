/** What every page of the site runs before anything is painted. */
import { applyTheme } from './theme.ts';

applyTheme();
// Shows what is of use only where scripts run.
document.documentElement.dataset['scripts'] = '';
