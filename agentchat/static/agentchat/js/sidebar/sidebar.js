/*
 * The sidebar, on every page that has one: creates its parts and connects them.
 *
 *   chat_list.js          the list of chats, live, and older ones
 *   menus.js              rename and delete a chat
 *   notifications.js      tells the user that a chat waits for them, or is ready
 *   collapse.js           the sidebar next to the page, or collapsed
 *   shortcuts.js          keyboard shortcuts
 *   chat/socket.js        the connection to the server
 *   common/toasts.js      short notices
 *   transcript/copy.js    copies a link
 */

import { Socket } from "../chat/socket.js";
import { setTabTitle } from "../common/browser.js";
import { mayStay } from "../common/requests.js";
import { raiseToasts, showToast } from "../common/toasts.js";
import { copyText } from "../transcript/copy.js";
import { ChatList, OlderChats, isTruncated } from "./chat_list.js";
import { CollapsibleSidebar } from "./collapse.js";
import { Menus } from "./menus.js";
import { Notifications } from "./notifications.js";
import { registerShortcuts } from "./shortcuts.js";

const find = (id) => document.getElementById(id);
const list = find("chats");
const strings = find("list-words").dataset;
const current = find("chat")?.dataset.socket.split("/").at(-2);
let hasUnseenFailure = false; // in this page's chat: the server does not know yet that the user has seen it

const notifications = new Notifications(find("notify"), strings, (id) => id !== current && chats.open(id));
const chats = new ChatList(list, strings, statusChanged, renamedElsewhere);
const [collapseButton, expandButton] = [find("fold"), find("unfold")]; // the site may have removed them
const sidebar = collapseButton && expandButton && new CollapsibleSidebar(find("sidebar"), collapseButton, expandButton);
new OlderChats(list, { add: (entries) => chats.add(entries), failed: () => showToast(strings.failed) });
new Menus(chats, strings, { current, renamed: (id, title) => id === current && showTitle(title) });

/** An entry's status has changed. A failure of the page's own chat counts as seen once the page is visible. */
function statusChanged(entry) {
  notifications.changed(entry);
  if (entry.isCurrent) {
    hasUnseenFailure = entry.status === "failed";
    reportSeen();
  }
}

/** Report to the server that the user sees how the run in this page's chat has ended. */
function reportSeen() {
  if (hasUnseenFailure && !document.hidden && socket.send({ type: "seen", chat: current })) {
    hasUnseenFailure = false;
  }
}

/** This page's chat has another title than the page shows: a model has named it, or somebody in another tab. */
function renamedElsewhere({ title, byModel, isCurrent }) {
  const heading = isCurrent && find("chat-title");
  if (heading && heading.dataset.untitled === undefined && !isTruncated(title, heading.textContent)) {
    showTitle(title);
    byModel || showToast(strings.renamedTo.replace("{title}", title));
  }
}

/** Show the new title of this page's chat. */
function showTitle(title) {
  find("chat-title").textContent = title;
  delete find("chat-title").dataset.untitled;
  find("agent-title").hidden = false;
  setTabTitle(title);
}

const socket = list.dataset.socket && new Socket(list.dataset.socket, {
  after: () => 0,
  opened: () => {},
  received: (frame) => ({ chats: (list) => chats.apply(list), inbox: showInbox })[frame.type]?.(frame),
  changed: ({ state }) => state === "signed-out" && !current && showSignedOut(), // a chat's page has a banner
  mayReturn: mayStay,
});

/** How much waits in the inbox, whose page listens for the version. */
function showInbox({ count, version }) {
  document.querySelectorAll("[data-inbox-count]").forEach((each) => (each.textContent = count ? `(${count})` : ""));
  find("inbox-link").hidden &&= !count;
  dispatchEvent(new CustomEvent("inbox", { detail: version }));
}

function showSignedOut() {
  showToast(strings.signedOut, { label: strings.reload, run: () => location.reload() });
}

if (find("shortcuts") && find("show-shortcuts")) {
  registerShortcuts(find("shortcuts"), find("show-shortcuts"), {
    search: () => {
      sidebar?.show();
      find("search")?.focus();
      find("search")?.select();
    },
    newChat: () => document.querySelector(".new-chat")?.click(),
    focusLost: () => sidebar?.focus(),
  });
}
document.addEventListener("visibilitychange", reportSeen);
raiseToasts(); // a live region must exist before it announces anything
for (const note of document.querySelectorAll("[data-note]")) {
  const text = note.querySelector("p")?.textContent ?? note.textContent;
  showToast(text, note.matches("form") ? { label: strings.undo, run: () => note.requestSubmit() } : undefined);
  note.hidden = true;
}
for (const button of document.querySelectorAll("[data-copy-link]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    showToast((await copyText(button.dataset.copyLink)) ? strings.copied : strings.failed);
  });
}
for (const field of document.querySelectorAll("[data-select]")) {
  field.addEventListener("focus", () => field.select());
}
socket?.open?.();
