/* An element with its properties. */

export function make(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}
