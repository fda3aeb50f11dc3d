/* Addresses of the dashboard, which may stand under a path of a reverse proxy: there this is /static/js/root.js. */

const root = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

export const atRoot = (path) => root + path;
