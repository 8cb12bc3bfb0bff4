/*
 * What the person sent and the transcript does not show yet.
 *
 * It is kept in the tab, so that neither a lost connection nor a reload loses it; secrets only in memory. Sending again is
 * safe: the server counts an id once.
 */

export class Outbox {
  #frames = new Map();
  #secrets = new Set(); // ids

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

  add(frame, { isSecret = false } = {}) {
    this.#frames.set(frame.id, frame);
    if (isSecret) {
      this.#secrets.add(frame.id);
    }
    this.#keep();
  }

  arrived(id) {
    if (this.#frames.delete(id)) {
      this.#secrets.delete(id);
      this.#keep();
    }
  }

  /** The question is answered, by whomever. */
  answered(request) {
    this.frames().filter((frame) => frame.request === request).forEach(({ id }) => this.arrived(id));
  }

  /** Take it out, because it was not accepted. */
  take(id) {
    const frame = this.#frames.get(id);
    this.arrived(id);
    return frame;
  }

  #keep() {
    try {
      sessionStorage.setItem(this.key, JSON.stringify(this.frames().filter(({ id }) => !this.#secrets.has(id))));
    } catch {
      // A full storage: it still lives in this page.
    }
  }
}
