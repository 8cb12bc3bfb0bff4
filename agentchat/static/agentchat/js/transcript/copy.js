/*
 * Copying to the clipboard: a code block, the source of a message (an agent's is Markdown), the id of an error.
 *
 * A button shows "Copied" for a while, and a screen reader announces it. `navigator.clipboard` needs a secure context,
 * and a chat may run on a LAN without TLS.
 */

const COPIED_MS = 2_000;
const SIGNAL = /(?:^|\s+)TERMINATE\s*$/; // tells the program, not the user, that the chat is over

const texts = {
  code: (button) => button.closest(".code").querySelector("code").textContent.replace(/\n$/, ""),
  message: async (button) => {
    const message = button.closest(".message");
    const whole = message.querySelector("[data-whole]"); // the page has the beginning alone
    if (whole) {
      const answer = await fetch(whole.href);
      return answer.ok ? (await answer.text()).replace(SIGNAL, "") : null;
    }
    return message.dataset.source?.replace(SIGNAL, "") ?? message.querySelector("[data-body]").textContent;
  },
  error: (button) => button.closest(".error").querySelector("[data-error-id]").textContent,
};

/** `announce(text)` is for screen readers. */
export function enableCopyButtons(announce, strings) {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) {
      return;
    }
    const text = await Promise.resolve(texts[button.dataset.copy](button)).catch(() => null);
    const isCopied = text !== null && (await copyText(text));
    announce(isCopied ? strings.copied : strings.notCopied);
    if (isCopied) {
      button.dataset.copied = "";
      setTimeout(() => delete button.dataset.copied, COPIED_MS);
    }
  });
}

/** Copy in whichever way the browser allows; return whether it worked. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text) {
  const focusedBefore = document.activeElement;
  const field = document.body.appendChild(document.createElement("textarea"));
  field.value = text;
  field.className = "visually-hidden";
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  focusedBefore?.focus({ preventScroll: true });
  return isCopied;
}
