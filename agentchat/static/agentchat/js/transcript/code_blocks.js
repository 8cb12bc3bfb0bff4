/*
 * The headers of code blocks: the language, and a button that copies the code.
 *
 * Blocks come with the page, with complete messages, and while a message is being written. Wherever one appears in the
 * transcript, it gets its header before the next frame is painted. The CSS reserves the space, so nothing moves.
 */

const header = document.getElementById("blank-code").content.firstElementChild;

export function addCodeHeaders(log) {
  wrapCodeBlocks(log);
  new MutationObserver((mutations) => {
    for (const { addedNodes } of mutations) {
      for (const node of addedNodes) {
        if (node.nodeType === Node.ELEMENT_NODE) {
          wrapCodeBlocks(node);
        }
      }
    }
  }).observe(log, { childList: true, subtree: true });
}

/** Add the headers of the code blocks in an element, which need not be in the page yet. */
export function wrapCodeBlocks(element) {
  const blocks = element.matches("pre") ? [element] : element.querySelectorAll("pre");
  for (const block of blocks) {
    const code = block.querySelector("code");
    if (!code || block.parentElement?.matches(".code") || !block.closest(".prose")) {
      continue;
    }
    const wrapper = document.createElement("div");
    wrapper.className = "code";
    block.replaceWith(wrapper);
    wrapper.append(header.cloneNode(true), block);
    wrapper.querySelector("[data-language]").textContent = /language-(\S+)/.exec(code.className)?.[1] ?? "";
  }
}
