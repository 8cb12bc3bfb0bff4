/* The title of the tab: the chat's, and a notice in front of it while a chat waits for the user. */

let title = document.title;
let notice = "";

/** Set the title; the notice stays. */
export function setTabTitle(text) {
  title = text;
  show();
}

/** Set the notice; an empty one is removed. */
export function setTabNotice(text) {
  notice = text;
  show();
}

function show() {
  const text = notice ? `● ${notice} ${title}` : title;
  if (document.title !== text) {
    document.title = text;
  }
}
