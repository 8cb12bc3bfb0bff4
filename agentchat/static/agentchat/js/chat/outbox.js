/*
 * The outbox: what the user has sent and the transcript does not show yet.
 *
 * It is stored for the tab's session, so that it survives a lost connection or a reload; secrets stay in memory.
 * Resending is safe: the server handles each id once.
 */

import { parseExact, stringifyExact } from "../common/exact_json.js";

export class Outbox {
  #frames = new Map();
  #secrets = new Set(); // ids

  constructor(key) {
    this.key = key;
    for (const frame of parseExact(sessionStorage.getItem(key) ?? "[]")) {
      this.#frames.set(frame.id, frame);
    }
  }

  /** In the order in which they were sent. */
  frames() {
    return [...this.#frames.values()];
  }

  add(frame, { isSecret = false } = {}) {
    this.#frames.set(frame.id, frame);
    if (isSecret) {
      this.#secrets.add(frame.id);
    }
    this.#store();
  }

  remove(id) {
    if (this.#frames.delete(id)) {
      this.#secrets.delete(id);
      this.#store();
    }
  }

  /** The question is answered, here or elsewhere. */
  removeAnswers(request) {
    this.frames().filter((frame) => frame.request === request).forEach(({ id }) => this.remove(id));
  }

  get(id) {
    return this.#frames.get(id);
  }

  /** Remove a frame that was rejected, and return it. */
  take(id) {
    const frame = this.#frames.get(id);
    this.remove(id);
    return frame;
  }

  #store() {
    try {
      sessionStorage.setItem(this.key, stringifyExact(this.frames().filter(({ id }) => !this.#secrets.has(id))));
    } catch {
      // The storage is full: the page still has it.
    }
  }
}

/**
 * What became of the messages in it: each says that it is being sent, or that it was not sent, with buttons to try
 * again and to remove it.
 */
export class PendingMessages {
  #container;
  #failed = new Set(); // the ids of those that the server could not take
  #isLive = false;

  /** `resend(id)` and `discard(id)` are the user's actions. */
  constructor(container, { resend, discard }) {
    this.#container = container;
    container.addEventListener("click", ({ target }) => {
      const { id } = target.closest("[data-id]")?.dataset ?? {};
      if (target.closest("[data-resend]")) {
        this.#failed.delete(id);
        this.#show();
        resend(id);
      } else if (target.closest("[data-discard]")) {
        discard(id);
      }
    });
  }

  /** A message was added. */
  added() {
    this.#show();
  }

  /** A message has arrived, or is to be shown elsewhere: it needs no words any more. */
  settle(id) {
    this.#failed.delete(id);
    this.#container.querySelector(`[data-id="${CSS.escape(id)}"] [data-delivery]`)?.remove();
  }

  /** The server could not take it. */
  fail(id) {
    this.#failed.add(id);
    this.#show();
  }

  /** Whether there is a connection; what failed before is sent again on a new one. */
  showConnection(isLive) {
    this.#isLive = isLive;
    this.#failed.clear();
    this.#show();
  }

  #show() {
    for (const message of this.#container.querySelectorAll(".message")) {
      if (!message.querySelector("[data-delivery]")) {
        message.append(document.getElementById("blank-delivery").content.firstElementChild.cloneNode(true));
      }
      const isSending = this.#isLive && !this.#failed.has(message.dataset.id);
      message.querySelector("[data-delivery]").dataset.delivery = isSending ? "sending" : "unsent";
    }
  }
}
