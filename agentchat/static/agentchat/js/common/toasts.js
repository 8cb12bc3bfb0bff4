/*
 * Toasts: short notices at the edge of the page, visible for a while and announced by screen readers.
 *
 * Their container is a polite live region, kept above whatever else is open.
 */

import { createElement } from "./browser.js";

const PLAIN_MS = 6_000;
const ACTION_MS = 30_000; // keyboard users need time to reach the button

const container = document.getElementById("toasts");
const strings = document.getElementById("list-words")?.dataset;

/** Show `text`, with a button for `action`: `{label, run}`. */
export function showToast(text, action) {
  if (!container) {
    return;
  }
  const focusedBefore = document.activeElement;
  const toast = createElement("div", { className: "toast" });
  const dismiss = () => {
    const hadFocus = toast.contains(document.activeElement);
    toast.remove();
    if (hadFocus) {
      const canReturn = focusedBefore?.isConnected && focusedBefore !== document.body;
      (canReturn ? focusedBefore : document.querySelector("main")).focus();
    }
  };
  toast.append(createElement("p", { textContent: text, dir: "auto" }));
  if (action) {
    const run = createElement("button", { type: "button", className: "link-button", textContent: action.label });
    const close = createElement("button", { type: "button", className: "link-button", textContent: strings.close });
    run.addEventListener("click", () => {
      dismiss();
      action.run();
    });
    close.addEventListener("click", dismiss);
    toast.append(run, close);
  }
  raiseToasts();
  container.append(toast);
  dismissAfter(toast, action ? ACTION_MS : PLAIN_MS, dismiss);
}

/** Wait on while the user hovers over it or has the focus in it. */
function dismissAfter(toast, delay, dismiss) {
  setTimeout(
    () => (toast.matches(":hover, :focus-within") ? dismissAfter(toast, PLAIN_MS, dismiss) : dismiss()),
    delay,
  );
}

/** Move the container above what was opened since: a drawer, a menu. */
export function raiseToasts() {
  if (container?.showPopover) {
    container.hidePopover();
    container.showPopover();
  }
}
