/*
 * Fragments: elements that the server has rendered, and how they change those in the page.
 *
 * What is the same stays untouched, with its focus and selection, and is not announced again. What the page owns stays
 * too: whether a group is open, and the content of elements with `data-keep`.
 */

const OWN_ATTRIBUTES = ["open", "data-mode"];

/** The element that the HTML is. It was rendered by the server's templates. */
export function parseFragment(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

/** Make an element like a fresh one. */
export function updateElement(element, fresh) {
  element.normalize(); // what the scripts have removed leaves two texts where the server has one
  updateNode(element, fresh);
}

function updateNode(node, fresh, room) {
  if (node.isEqualNode(fresh)) {
    return;
  }
  if (node.nodeName !== fresh.nodeName) {
    node.replaceWith(fresh);
  } else if (node.nodeType !== Node.ELEMENT_NODE) {
    updateText(node, fresh.data);
  } else if (!(node.matches("[data-keep]") && fresh.matches("[data-keep]"))) {
    updateAttributes(node, fresh);
    updateChildren(node, fresh, 0, room);
  }
}

/** Change only where the texts differ: what is selected before that stays selected. */
function updateText(node, text) {
  let same = 0;
  while (same < node.length && node.data[same] === text[same]) {
    same += 1;
  }
  node.replaceData(same, node.length - same, text.slice(same));
}

function updateAttributes(element, fresh) {
  for (const { name } of [...element.attributes]) {
    if (!fresh.hasAttribute(name) && !OWN_ATTRIBUTES.includes(name)) {
      element.removeAttribute(name);
    }
  }
  for (const { name, value } of fresh.attributes) {
    if (element.getAttribute(name) !== value && !OWN_ATTRIBUTES.includes(name)) {
      element.setAttribute(name, value);
    }
  }
}

/**
 * Make the children of an element, from number `start` on, like those of a fresh one. `room.elements` counts down what
 * is added; once it is negative, the rest is left out.
 */
export function updateChildren(element, fresh, start = 0, room = { elements: Infinity }) {
  const nodes = [...element.childNodes].slice(start);
  const freshNodes = [...fresh.childNodes];
  nodes.slice(freshNodes.length).forEach((node) => node.remove());
  freshNodes.forEach((freshNode, index) => {
    if (index < nodes.length) {
      updateNode(nodes[index], freshNode, room);
    } else if (room.elements >= 0) {
      room.elements -= 1 + (freshNode.querySelectorAll?.("*").length ?? 0);
      element.append(freshNode);
    }
  });
}
