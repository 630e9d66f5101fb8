/** The server for pages in tests: the compiled packages, folders, and pages given as strings. */
export { serve, type ServeOptions, type Server, withAddresses } from '#chromium';
