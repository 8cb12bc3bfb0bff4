/* What the tab is called, and whether it says that somebody is waited for. */

let name = document.title;
let words = "";

/** Call the tab so, whatever it says beside. */
export function nameTab(title) {
  name = title;
  show();
}

/** Say beside the name that a chat waits; nothing to say when `what` is empty. */
export function markTab(what) {
  words = what;
  show();
}

function show() {
  const title = words ? `● ${words} ${name}` : name;
  if (document.title !== title) {
    document.title = title;
  }
}
