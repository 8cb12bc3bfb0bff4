/* DOM shorthands: create an element with its properties; query several elements and their descendants at once. */

export function createElement(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}

export function queryAllIn(elements, selector) {
  return elements.flatMap((element) => {
    const descendants = [...element.querySelectorAll(selector)];
    return element.matches(selector) ? [element, ...descendants] : descendants;
  });
}
