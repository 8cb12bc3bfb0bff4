/*
 * Buttons that copy: a code block, a message as it was written (an agent's as Markdown), the id of an error.
 *
 * The button says "Copied" to the eye for a while; `say` tells it to a screen reader. `navigator.clipboard` is only there in
 * secure contexts, and a chat may run on a LAN.
 */

const SHOWN_MS = 2_000;
const SIGNAL = /(?:^|\s+)TERMINATE\s*$/; // says to the program, not to the person, that the chat is over

const texts = {
  code: (button) => button.closest(".code").querySelector("code").textContent.replace(/\n$/, ""),
  message: (button) => {
    const message = button.closest(".message");
    return message.dataset.source?.replace(SIGNAL, "") ?? message.querySelector("[data-body]").textContent;
  },
  error: (button) => button.closest(".error").querySelector("[data-error-id]").textContent,
};

/** `say(words)` announces. */
export function offerCopies(say, words) {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) {
      return;
    }
    const isCopied = await copy(texts[button.dataset.copy](button));
    say(isCopied ? words.copied : words.notCopied);
    if (isCopied) {
      button.dataset.copied = "";
      setTimeout(() => delete button.dataset.copied, SHOWN_MS);
    }
  });
}

/** Copy it, in whatever way there is; return whether it was copied. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyByHand(text);
  }
}

function copyByHand(text) {
  const before = document.activeElement;
  const field = document.body.appendChild(document.createElement("textarea"));
  field.value = text;
  field.className = "visually-hidden";
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  before?.focus({ preventScroll: true });
  return isCopied;
}
