/*
 * Links to a message ("#message-57", by the number of its last event), as search results have them. The message may be
 * in an older part, in a collapsed group, or in another version of the chat. "?mark=…" are texts to mark in it.
 */

import { showToast } from "../common/toasts.js";
import { markTexts } from "../transcript/marks.js";

/** Show the message in the page's address, if any. `mayFocus()` returns whether the user is idle. */
export async function openDeepLink(chatHistory, scroll, mayFocus, strings) {
  const [id, seq] = /^#(message-(\d+))$/.exec(location.hash)?.slice(1) ?? [];
  if (!id) {
    return;
  }
  const find = () => document.getElementById(id);
  const isLoaded = await chatHistory.loadUntil(Number(seq), find);
  const message = find();
  if (!isLoaded || !message) {
    showToast(isLoaded ? strings.elsewhere : strings.noEarlier);
    return;
  }
  const address = new URL(location);
  markTexts(message.querySelector("[data-body]"), address.searchParams.getAll("mark"));
  address.searchParams.delete("mark");
  address.hash = "";
  history.replaceState(history.state, "", address); // a reload shows the end of the chat
  if (mayFocus()) {
    reveal(message);
    focus(message);
    scroll.showMiddle(message);
  }
}

function reveal(message) {
  for (let group = message.closest("details"); group; group = group.parentElement.closest("details")) {
    group.open = true;
  }
  message.querySelector('[data-unfold][aria-expanded="false"]:not([hidden])')?.click();
}

function focus(message) {
  message.dataset.wanted = "";
  message.tabIndex = -1;
  message.focus({ preventScroll: true });
  message.addEventListener("blur", () => {
    delete message.dataset.wanted;
    message.removeAttribute("tabindex");
  }, { once: true });
}
