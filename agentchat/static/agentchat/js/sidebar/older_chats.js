/*
 * Older chats: added to the list in its place, when the user asks for them or scrolls to its end.
 *
 * The list keeps its length and its scroll position on the next page: the tab's session storage remembers them. Without
 * JavaScript the link leads to a page that lists older chats.
 */

const KEY = "agentchat:chats";

export class OlderChats {
  #list;
  #add;
  #failed;
  #pages = 0;
  #loading = null;

  /** `add(entries)` adds elements to the list; `failed()` tells the user that nothing could be loaded. */
  constructor(list, { add, failed }) {
    this.#list = list;
    this.#add = add;
    this.#failed = failed;
    list.addEventListener("click", (event) => this.#click(event));
    addEventListener("pagehide", () => this.#remember());
    this.#restore();
  }

  get #link() {
    return this.#list.querySelector("[data-older]");
  }

  #click(event) {
    const isPlain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
    if (isPlain && event.target.closest("[data-older]")) {
      event.preventDefault();
      this.#load().then((isLoaded) => isLoaded || this.#failed());
    }
  }

  /** Resolve to whether a page was loaded. */
  #load() {
    this.#loading ??= this.#fetch(this.#link).finally(() => (this.#loading = null));
    return this.#loading;
  }

  async #fetch(link) {
    try {
      const response = await fetch(link.dataset.older);
      if (!response.ok || response.redirected) {
        throw new Error(response.statusText);
      }
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const entries = [...page.querySelectorAll(".entry")];
      const hadFocus = document.activeElement === link;
      const { scrollTop } = this.#list;
      this.#add(entries);
      link.replaceWith(...page.querySelectorAll("[data-older]"));
      this.#list.scrollTop = scrollTop;
      this.#pages += 1;
      if (hadFocus) {
        entries.find(({ isConnected }) => isConnected)?.querySelector("a").focus({ preventScroll: true });
      }
      return true;
    } catch {
      return false; // it is still a link
    }
  }

  #remember() {
    try {
      sessionStorage.setItem(KEY, JSON.stringify({ pages: this.#pages, top: this.#list.scrollTop }));
    } catch {
      // The storage is full: the next page shows the newest chats.
    }
  }

  async #restore() {
    const stored = sessionStorage.getItem(KEY);
    if (!stored) {
      this.#list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
      return;
    }
    const { pages, top } = JSON.parse(stored);
    this.#list.scrollTop = top;
    while (this.#pages < pages && this.#link && (await this.#load())) {
      this.#list.scrollTop = Math.max(top, this.#list.scrollTop);
    }
  }
}
