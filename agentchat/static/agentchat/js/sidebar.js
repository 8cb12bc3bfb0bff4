/*
 * The sidebar, on every page that has one: makes its parts and lets them know of one another.
 *
 *   chats.js      the list, live
 *   menus.js      what can be done with a chat
 *   notify.js     that a chat waits for the person
 *   toasts.js     what is said in passing
 *   folding.js    the list beside the page, or folded away
 *   shortcuts.js  keys that work everywhere
 *   tab.js        what the tab is called
 *   socket.js     frames in and out, and coming back after a lost connection
 */

import { Chats } from "./chats.js";
import { copy } from "./copy.js";
import { Folding } from "./folding.js";
import { Menus } from "./menus.js";
import { Notify } from "./notify.js";
import { offerShortcuts } from "./shortcuts.js";
import { Socket } from "./socket.js";
import { nameTab } from "./tab.js";
import { raise, toast } from "./toasts.js";

const find = (id) => document.getElementById(id);
const list = find("chats");
const words = find("list-words").dataset;
const current = find("chat")?.dataset.socket.split("/").at(-2);
let hasFailed = false; // the chat of this page, and the server has not heard that this was seen

const notify = new Notify(find("notify"), words, (id) => id !== current && chats.go(id));
const chats = new Chats(list, words, changed);
const folding = find("fold") && find("unfold") && new Folding(find("sidebar"), find("fold"), find("unfold")); // a site may have its own
new Menus(chats, words, { current, named: (id, title) => id === current && name(title) });

/** An entry has another status. What the person has before their eyes need not be pointed at. */
function changed(entry) {
  notify.changed(entry);
  if (entry.isCurrent) {
    hasFailed = entry.status === "failed";
    look();
  }
}

/** The person looks: they see how the chat of this page has ended. */
function look() {
  if (hasFailed && !document.hidden && socket.send({ type: "seen", chat: current })) {
    hasFailed = false;
  }
}

/** The chat of this page is called so now. */
function name(title) {
  find("chat-title").textContent = title;
  delete find("chat-title").dataset.untitled;
  find("agent-title").hidden = false;
  nameTab(title);
}

const socket = list.dataset.socket && new Socket(list.dataset.socket, {
  after: () => 0,
  opened: () => {},
  received: (frame) => frame.type === "chats" && chats.take(frame),
  changed: () => {},
});

if (find("shortcuts") && find("show-shortcuts")) {
  offerShortcuts(find("shortcuts"), find("show-shortcuts"), {
    search: () => {
      folding?.show();
      find("search")?.focus();
      find("search")?.select();
    },
    newChat: () => document.querySelector(".new-chat")?.click(),
    lost: () => folding?.takeFocus(),
  });
}
document.addEventListener("visibilitychange", look);
raise(); // a live region must be there before it says something
for (const note of document.querySelectorAll("[data-note]")) {
  const text = note.querySelector("p")?.textContent ?? note.textContent;
  toast(text, note.matches("form") ? { label: words.undo, run: () => note.requestSubmit() } : undefined);
  note.hidden = true;
}
for (const button of document.querySelectorAll("[data-copy-link]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    toast((await copy(button.dataset.copyLink)) ? words.copied : words.failed);
  });
}
for (const field of document.querySelectorAll("[data-select]")) {
  field.addEventListener("focus", () => field.select());
}
socket?.open?.();
