/*
 * Drafts: input that is not sent yet, stored for the tab's session, so that it survives a reload, a lost connection or
 * a restarted server. Secrets must not be stored here.
 */

export class Drafts {
  constructor(key) {
    this.key = key;
  }

  get(name) {
    return sessionStorage.getItem(this.#keyOf(name)) ?? "";
  }

  /** Store a draft; an empty one is removed. */
  set(name, text) {
    if (!text) {
      sessionStorage.removeItem(this.#keyOf(name));
      return;
    }
    try {
      sessionStorage.setItem(this.#keyOf(name), text);
    } catch {
      // The storage is full: the page still has the input.
    }
  }

  #keyOf(name) {
    return `${this.key}:draft:${name}`;
  }
}
