/*
 * Numbers as the server writes them in the page's language: what a page shows live is what it shows when it is loaded again.
 */

const [, group, point] = /^1(\D?)234(\D)5$/.exec(document.getElementById("words").dataset.number);

/** A whole number, as "1,234". */
export function whole(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, group);
}

/** Milliseconds as seconds with one digit, "2.5"; halves are rounded up. */
export function seconds(ms) {
  return (Math.round(ms / 100) / 10).toFixed(1).replace(".", point);
}
