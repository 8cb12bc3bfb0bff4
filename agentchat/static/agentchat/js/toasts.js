/*
 * What is said in passing, at the edge of the page: seen for a while, and read out to those who listen.
 *
 * The place is one polite live region in the page, above everything that may be open.
 */

import { make } from "./make.js";

const PLAIN_MS = 6_000;
const ACTION_MS = 30_000; // whoever gets there by keyboard needs time

const place = document.getElementById("toasts");
const words = document.getElementById("list-words")?.dataset;

/** Say `text`, and offer `action`: `{label, run}`. */
export function toast(text, action) {
  if (!place) {
    return;
  }
  const before = document.activeElement;
  const note = make("div", { className: "toast" });
  const end = () => {
    const hadFocus = note.contains(document.activeElement);
    note.remove();
    if (hadFocus) {
      (before?.isConnected && before !== document.body ? before : document.querySelector("main")).focus();
    }
  };
  note.append(make("p", { textContent: text, dir: "auto" }));
  if (action) {
    const run = make("button", { type: "button", className: "link-button", textContent: action.label });
    const close = make("button", { type: "button", className: "link-button", textContent: words.close });
    run.addEventListener("click", () => {
      end();
      action.run();
    });
    close.addEventListener("click", end);
    note.append(run, close);
  }
  raise();
  place.append(note);
  waitFor(note, action ? ACTION_MS : PLAIN_MS, end);
}

/** It goes by itself, but not while somebody is at it. */
function waitFor(note, time, end) {
  setTimeout(() => (note.matches(":hover, :focus-within") ? waitFor(note, PLAIN_MS, end) : end()), time);
}

/** Above what was opened since: a drawer, a menu. */
export function raise() {
  if (place?.showPopover) {
    place.hidePopover();
    place.showPopover();
  }
}
