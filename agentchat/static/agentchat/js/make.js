/* An element with its properties; and elements among others and within them. */

export function make(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}

export function findIn(elements, selector) {
  return elements.flatMap((element) => {
    const within = [...element.querySelectorAll(selector)];
    return element.matches(selector) ? [element, ...within] : within;
  });
}
