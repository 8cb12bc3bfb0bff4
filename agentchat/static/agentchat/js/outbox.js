/*
 * What the person sent and the transcript does not show yet.
 *
 * Messages are kept in the tab, so that neither a lost connection nor a reload loses them; answers, which may be secrets,
 * only in memory. Sending again is safe: the server counts an id once.
 */

export class Outbox {
  #frames = new Map();

  constructor(key) {
    this.key = key;
    for (const frame of JSON.parse(sessionStorage.getItem(key) ?? "[]")) {
      this.#frames.set(frame.id, frame);
    }
  }

  /** In the order in which they were sent. */
  frames() {
    return [...this.#frames.values()];
  }

  add(frame) {
    this.#frames.set(frame.id, frame);
    this.#keep();
  }

  arrived(id) {
    if (this.#frames.delete(id)) {
      this.#keep();
    }
  }

  /** Take it out, because it was not accepted. */
  take(id) {
    const frame = this.#frames.get(id);
    this.arrived(id);
    return frame;
  }

  #keep() {
    const messages = this.frames().filter(({ type }) => type === "send");
    try {
      sessionStorage.setItem(this.key, JSON.stringify(messages));
    } catch {
      // A full storage: it still lives in this page.
    }
  }
}
