/*
 * Marks texts in an element. A text may begin in one element and end in another, as in "a **bold** word". White space
 * does not count, since between two blocks, or after a line, the page may have none; nor do marks of Markdown, which
 * a user's own message shows.
 */

/** Wrap each occurrence of one of the texts in a <mark>; in several, if elements begin or end within it. */
export function markTexts(element, texts) {
  const patterns = texts.filter((text) => text.trim()).sort((one, other) => other.length - one.length).map(patternOf);
  if (!patterns.length) {
    return;
  }
  const nodes = textNodesOf(element);
  const hits = nodes.map(({ data }) => data).join("").matchAll(new RegExp(patterns.join("|"), "gu"));
  for (const { 0: hit, index } of [...hits].reverse()) { // from the end: what was not wrapped yet keeps its place
    wrap(nodes, index, index + hit.length);
  }
}

function patternOf(text) {
  const words = text.trim().split(/\s+/);
  return words.map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("[\\s*_`~]*");
}

/** The texts that a reader reads: not those of buttons. A formula may not contain a <mark>. */
function textNodesOf(element) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walker.nextNode()) {
    if (!walker.currentNode.parentElement.closest("button, math, .code-head")) {
      nodes.push(walker.currentNode);
    }
  }
  return nodes;
}

function wrap(nodes, start, end) {
  let offset = 0;
  for (const node of nodes) {
    const [first, last] = [Math.max(start - offset, 0), Math.min(end - offset, node.length)];
    offset += node.length;
    if (first < last && node.data.slice(first, last).trim()) {
      const range = document.createRange();
      range.setStart(node, first);
      range.setEnd(node, last);
      range.surroundContents(document.createElement("mark"));
    }
  }
}
