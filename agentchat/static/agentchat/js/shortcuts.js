/*
 * Keys that work wherever the person is: search, a new chat, and the list of all such keys.
 *
 * Those of the message field are in composer.js and actions.js. `#shortcuts` says all of them.
 */

const isMac = /Mac|iP(hone|ad|od)/.test(navigator.platform);

/**
 * `search()` and `newChat()` are what the keys do; `button` opens the list of keys too. `lost()` is called when that is
 * closed, and what had the focus before is not there any more.
 */
export function offerShortcuts(dialog, button, { search, newChat, lost }) {
  const show = () => dialog.open || dialog.showModal();
  const actions = { "k": search, "shift+o": newChat, "/": show };
  if (isMac) {
    dialog.querySelectorAll("[data-mod]").forEach((key) => (key.textContent = "⌘"));
  }
  button.hidden = false;
  button.addEventListener("click", () => {
    const menu = button.closest("details");
    menu.open = false;
    menu.querySelector("summary").focus(); // comes back when the dialog is closed
    show();
  });
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close()); // beside it
  dialog.addEventListener("close", () => dialog.contains(document.activeElement) && lost());
  document.addEventListener("keydown", (event) => {
    const action = actions[nameOf(event)];
    if (action && (show === action || !dialog.open)) {
      event.preventDefault();
      action();
    }
  });
}

/** The key, as the list names it; nothing without Ctrl, or ⌘ on a Mac. */
function nameOf({ altKey, code, ctrlKey, key, metaKey, shiftKey }) {
  if (altKey || (isMac ? !metaKey || ctrlKey : !ctrlKey || metaKey)) {
    return "";
  }
  if (key === "/") {
    return key; // with Shift or without: keyboards differ
  }
  // Where letters are not Latin ones, the place of the key says which is meant.
  const letter = /^[a-z]$/i.test(key) ? key : code.replace(/^Key/, "");
  return (shiftKey ? "shift+" : "") + letter.toLowerCase();
}
