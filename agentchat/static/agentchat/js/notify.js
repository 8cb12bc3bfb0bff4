/*
 * That a chat waits for the person: in the tab's title, and, if they have asked for it, as a notification.
 *
 * Only what begins while they look elsewhere is said, and it is said until they look, or until it is answered.
 */

import { markTab } from "./tab.js";

const KEY = "agentchat:notify";

export class Notify {
  #button;
  #words;
  #unseen = new Set();
  #go;

  /** `go(id)` brings the person to a chat. */
  constructor(button, words, go) {
    this.#button = button;
    this.#words = words;
    this.#go = go;
    if ("Notification" in window && Notification.permission !== "denied") {
      button.hidden = false;
      button.addEventListener("click", () => this.#toggle());
      this.#show();
    }
    addEventListener("focus", () => this.#look());
    document.addEventListener("visibilitychange", () => document.hidden || this.#look());
  }

  /** A chat's status is another one than before. */
  changed({ id, title, status, before }) {
    if (status !== "waiting") {
      this.#unseen.delete(id);
    } else if (before !== status && isAway()) {
      this.#unseen.add(id);
      this.#tell(id, title);
    }
    markTab(this.#unseen.size ? this.#words.waits : "");
  }

  #look() {
    this.#unseen.clear();
    markTab("");
  }

  #tell(id, title) {
    if (!this.#isOn) {
      return;
    }
    try {
      // The tag: several tabs say it once.
      const note = new Notification(this.#words.waitsFor.replace("{title}", () => title), { tag: id });
      note.addEventListener("click", () => {
        window.focus();
        note.close();
        this.#go(id);
      });
    } catch {
      // Some phones show notifications of installed pages only; the title says it.
    }
  }

  get #isOn() {
    return localStorage.getItem(KEY) === "on" && Notification.permission === "granted";
  }

  async #toggle() {
    const isOn = !this.#isOn && (await Notification.requestPermission()) === "granted";
    localStorage.setItem(KEY, isOn ? "on" : "off");
    this.#show();
  }

  #show() {
    this.#button.textContent = this.#isOn ? this.#words.notifyNot : this.#words.notify;
    this.#button.hidden = Notification.permission === "denied";
  }
}

function isAway() {
  return document.hidden || !document.hasFocus();
}
