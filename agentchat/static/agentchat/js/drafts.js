/*
 * What was typed and not sent: kept in the tab, so that a reload, a lost connection or a restarted server takes none of it.
 * Secrets are not for here.
 */

export class Drafts {
  constructor(key) {
    this.key = key;
  }

  get(name) {
    return sessionStorage.getItem(this.#keyOf(name)) ?? "";
  }

  /** Keep it; an empty draft is none. */
  set(name, text) {
    if (!text) {
      sessionStorage.removeItem(this.#keyOf(name));
      return;
    }
    try {
      sessionStorage.setItem(this.#keyOf(name), text);
    } catch {
      // A full storage: it still stands in this page.
    }
  }

  #keyOf(name) {
    return `${this.key}:draft:${name}`;
  }
}
