/*
 * Switching to another branch: when an event selects one, the transcript is fetched as the server renders it and
 * replaces the current one. Frames that arrive in the meantime are held back. The same happens after a long absence.
 */

import { fetchPage } from "../common/requests.js";

export class BranchSwitch {
  #log;
  #page;
  #held = null; // the frames held back while the transcript is being fetched
  #seq = 0; // the last event that the fetched transcript includes

  /**
   * `apply(frame)` applies a frame that was held back; `switched(document)` is called with the fetched page, and
   * `render()` when all of it has been applied.
   */
  constructor(log, { apply, switched, render }) {
    this.#log = log;
    this.#page = { apply, switched, render };
  }

  /** Whether the frame must not be applied now: it is held back, or the transcript already includes it. */
  intercepts(frame) {
    if (frame.type === "rejected") {
      return false;
    }
    if (this.#held) {
      this.#held.push(frame);
      return true;
    }
    if (frame.seq <= this.#seq) {
      return true;
    }
    const isFork = frame.type === "RUN_STARTED" && frame.fromSeq !== undefined;
    if (isFork || frame.type === "BRANCH_SELECTED" || frame.type === "BEHIND") {
      this.#held = [];
      this.#switch();
      return true;
    }
    return false;
  }

  async #switch() {
    const fetched = await fetchPage();
    if (!fetched) {
      location.reload(); // signed out, or the chat is gone: the server's page says which
      return;
    }
    const log = fetched.getElementById(this.#log.id);
    this.#seq = Number(fetched.getElementById("chat").dataset.seq);
    const restoreScroll = this.#scrollAnchor();
    this.#log.setAttribute("aria-live", "off"); // or all of it would be announced
    for (const { name, value } of log.attributes) {
      this.#log.setAttribute(name, value);
    }
    this.#log.replaceChildren(...log.childNodes);
    this.#page.switched(fetched);
    restoreScroll();
    setTimeout(() => this.#log.removeAttribute("aria-live"), 1_000);
    const held = this.#held;
    this.#held = null;
    held.forEach((frame) => this.#page.apply(frame));
    this.#page.render(); // no batch of frames does: what was held back may be the last that comes
  }

  /** Return a function that scrolls the message nearest to the top, or the next one that is left, back to its place. */
  #scrollAnchor() {
    const candidates = [...this.#log.querySelectorAll(".message[data-id]")]
      .map((message) => ({ id: message.dataset.id, top: message.getBoundingClientRect().top }))
      .filter(({ top }) => top > -innerHeight && top < innerHeight)
      .sort((a, b) => Math.abs(a.top) - Math.abs(b.top));
    return () => {
      for (const { id, top } of candidates) {
        const message = this.#log.querySelector(`.message[data-id="${CSS.escape(id)}"]`);
        if (message) {
          scrollBy({ top: message.getBoundingClientRect().top - top, behavior: "instant" });
          return;
        }
      }
    };
  }
}
