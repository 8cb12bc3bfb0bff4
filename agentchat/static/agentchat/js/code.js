/*
 * Code blocks with a head: their language, and a button that copies them.
 *
 * Blocks come with the page, with a complete message, and while one is written; wherever one appears in the transcript, it
 * gets its head before the next picture. Its place is kept free by the CSS, so nothing moves.
 */

export function dressCode(log) {
  const head = document.getElementById("blank-code").content.firstElementChild;
  dressWithin(log, head);
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) {
      for (const node of addedNodes) {
        if (node.nodeType === Node.ELEMENT_NODE) {
          dressWithin(node, head);
        }
      }
    }
  }).observe(log, { childList: true, subtree: true });
}

function dressWithin(element, head) {
  const blocks = element.matches("pre") ? [element] : element.querySelectorAll("pre");
  for (const block of blocks) {
    const code = block.querySelector("code");
    if (!code || block.parentElement?.matches(".code") || !block.closest(".prose")) {
      continue;
    }
    const box = document.createElement("div");
    box.className = "code";
    block.replaceWith(box);
    box.append(head.cloneNode(true), block);
    box.querySelector("[data-language]").textContent = /language-(\S+)/.exec(code.className)?.[1] ?? "";
  }
}
