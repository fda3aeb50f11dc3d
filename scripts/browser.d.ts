/* What the browser gives to static/js beyond the standard names, for `deno check`: vendored scripts are globals, and
   elements are not told apart by their tag. Nothing of this is shipped. */

declare const uPlot: any;
declare const SwaggerUIBundle: any;

interface Element {
    [name: string]: any;
}
interface EventTarget {
    [name: string]: any;
}
interface Event {
    [name: string]: any;
}
