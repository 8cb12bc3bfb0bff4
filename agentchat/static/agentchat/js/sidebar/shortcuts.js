/*
 * Keyboard shortcuts that work everywhere: search, a new chat, and the list of all shortcuts.
 *
 * Those of the message field are in composer.js and message_actions.js. The dialog `#shortcuts` lists all of them.
 */

const isMac = /Mac|iP(hone|ad|od)/.test(navigator.platform);

/**
 * `search()` and `newChat()` are the actions; `button` opens the dialog too. `focusLost()` is called when the dialog
 * closes and the element that had the focus before is gone or hidden.
 */
export function registerShortcuts(dialog, button, { search, newChat, focusLost }) {
  const show = () => dialog.open || dialog.showModal();
  const actions = { "k": search, "shift+o": newChat, "/": show };
  if (isMac) {
    dialog.querySelectorAll("[data-mod]").forEach((key) => (key.textContent = "⌘"));
  }
  button.hidden = false;
  button.addEventListener("click", () => {
    const menu = button.closest("details");
    menu.open = false;
    menu.querySelector("summary").focus(); // the focus returns here when the dialog closes
    show();
  });
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close()); // a click on the backdrop
  dialog.addEventListener("close", () => dialog.contains(document.activeElement) && focusLost());
  document.addEventListener("keydown", (event) => {
    const action = actions[shortcutOf(event)];
    if (action && (show === action || !dialog.open)) {
      event.preventDefault();
      action();
    }
  });
}

/** The name of the shortcut; empty without Ctrl, or ⌘ on a Mac. */
function shortcutOf({ altKey, code, ctrlKey, key, metaKey, shiftKey }) {
  if (altKey || (isMac ? !metaKey || ctrlKey : !ctrlKey || metaKey)) {
    return "";
  }
  if (key === "/") {
    return key; // keyboards differ in whether it needs Shift
  }
  // On a non-Latin layout, the position of the key decides.
  const letter = /^[a-z]$/i.test(key) ? key : code.replace(/^Key/, "");
  return (shiftKey ? "shift+" : "") + letter.toLowerCase();
}
