/*
 * A link that leads to a message, by its last fact ("#message-57"): somebody has searched for it. It may be far up, folded
 * away, or in another version of the chat.
 */

import { toast } from "./toasts.js";

/** Show what the page's address wants. `mayTake()`: the person does nothing else meanwhile. */
export async function showWanted(earlier, scroll, mayTake, words) {
  const [id, seq] = /^#(message-(\d+))$/.exec(location.hash)?.slice(1) ?? [];
  if (!id) {
    return;
  }
  const find = () => document.getElementById(id);
  const isThrough = await earlier.reach(Number(seq), find);
  const message = find();
  if (!isThrough || !message) {
    toast(isThrough ? words.elsewhere : words.noEarlier);
    return;
  }
  history.replaceState(history.state, "", location.pathname + location.search); // when it is loaded again, it shows its end
  if (mayTake()) {
    unfold(message);
    focus(message);
    scroll.showMiddle(message);
  }
}

function unfold(message) {
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
