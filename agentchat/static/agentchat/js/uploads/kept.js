/*
 * Files that are not sent yet, over a reload: which they are is stored for the tab's session, as drafts are, and what is
 * in them, until the server has it, in the browser's database. Where a browser has none (in a private window), a file
 * that was not uploaded completely has to be added again.
 */

const STORE = "files";
const KEPT_MS = 2 * 24 * 60 * 60 * 1000;

export class Kept {
  #key;
  #database = null;

  constructor(key) {
    this.#key = `${key}:draft:files`;
  }

  /** Remember which files there are, in order. */
  note(ids) {
    ids.length ? sessionStorage.setItem(this.#key, JSON.stringify(ids)) : sessionStorage.removeItem(this.#key);
  }

  async keep({ id, name, size, file }) {
    if (file) {
      await this.#run("readwrite", (store) => store.put({ id, name, size, file, at: Date.now() }));
    }
  }

  forget(id) {
    return this.#run("readwrite", (store) => store.delete(id));
  }

  /** Those of this page: `{id, name, size, file}`, or the id alone. */
  async restored() {
    const ids = JSON.parse(sessionStorage.getItem(this.#key) ?? "[]");
    const found = ids.length ? ((await this.#run("readonly", (store) => store.getAll())) ?? []) : [];
    for (const { id, at } of found) {
      at < Date.now() - KEPT_MS && this.forget(id); // as long as the server keeps its parts
    }
    return ids.map((id) => found.find((each) => each.id === id) ?? { id });
  }

  async #run(mode, act) {
    try {
      this.#database ??= await asPromise(indexedDB.open("agentchat-uploads", 1), (opening) => {
        opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: "id" });
      });
      return await asPromise(act(this.#database.transaction(STORE, mode).objectStore(STORE)));
    } catch {
      return null; // no database, or no room: the page has the file until it is left
    }
  }
}

function asPromise(request, prepare = () => {}) {
  prepare(request);
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
