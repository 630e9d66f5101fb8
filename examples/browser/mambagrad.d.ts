/** The types of mambagrad.js, which `npm run example browser` serves, and users copy. */
export * from 'mambagrad/browser';
