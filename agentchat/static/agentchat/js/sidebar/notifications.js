/*
 * Tells the user that a chat waits for them, or that a long answer is ready: in the tab's title and, if they have turned
 * it on, as a notification.
 *
 * Only for what happens while the user is elsewhere, and until the user comes back or the chat goes on.
 */

import { setTabNotice } from "../common/browser.js";

const KEY = "agentchat:notify";
const NOTICES = { waiting: "waits", idle: "ready", failed: "broken" }; // by status, the names of their texts
const LONG_MS = 3_000; // a run of this length: before, the user has hardly left

export class Notifications {
  #button;
  #strings;
  #unseen = new Map(); // id -> status
  #startedAt = new Map(); // id -> when its run was first seen; those that ran before have run since the page was loaded
  #openChat;

  /** `openChat(id)` shows a chat. */
  constructor(button, strings, openChat) {
    this.#button = button;
    this.#strings = strings;
    this.#openChat = openChat;
    if ("Notification" in window && Notification.permission !== "denied") {
      button.hidden = false;
      button.addEventListener("click", () => this.#toggle());
      this.#showState();
    }
    addEventListener("focus", () => this.#markSeen());
    document.addEventListener("visibilitychange", () => document.hidden || this.#markSeen());
  }

  /** A chat's status has changed. */
  changed({ id, title, status, before }) {
    if (before !== status) {
      const duration = before === "running" ? performance.now() - (this.#startedAt.get(id) ?? 0) : 0;
      this.#startedAt.delete(id);
      this.#unseen.delete(id);
      if (status === "running") {
        this.#startedAt.set(id, performance.now());
      } else if (isAway() && (status === "waiting" || duration >= LONG_MS)) {
        this.#unseen.set(id, status);
        this.#notify(id, this.#strings[`${NOTICES[status]}For`].replace("{title}", () => title));
      }
    }
    this.#showNotice();
  }

  /** In the tab's title, a chat that waits comes before one that is ready. */
  #showNotice() {
    const statuses = [...this.#unseen.values()];
    const shown = statuses.find((status) => status === "waiting") ?? statuses.at(-1);
    setTabNotice(shown ? this.#strings[NOTICES[shown]] : "");
  }

  #markSeen() {
    this.#unseen.clear();
    this.#showNotice();
  }

  #notify(id, text) {
    if (!this.#isEnabled) {
      return;
    }
    try {
      // The tag keeps several tabs from showing the same notification.
      const notification = new Notification(text, { tag: id });
      notification.addEventListener("click", () => {
        window.focus();
        notification.close();
        this.#openChat(id);
      });
    } catch {
      // Some phones show notifications of installed pages only; the tab's title has to do.
    }
  }

  get #isEnabled() {
    return localStorage.getItem(KEY) === "on" && Notification.permission === "granted";
  }

  async #toggle() {
    const isEnabled = !this.#isEnabled && (await Notification.requestPermission()) === "granted";
    localStorage.setItem(KEY, isEnabled ? "on" : "off");
    this.#showState();
  }

  #showState() {
    this.#button.textContent = this.#isEnabled ? this.#strings.notifyNot : this.#strings.notify;
    this.#button.hidden = Notification.permission === "denied";
  }
}

function isAway() {
  return document.hidden || !document.hasFocus();
}
