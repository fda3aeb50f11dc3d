/* Addresses of the dashboard, which may stand under a path of a proxy. */

const root = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

export const atRoot = (path) => root + path;
