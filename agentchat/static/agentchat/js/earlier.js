/*
 * Older parts of the transcript, put before what is there when the person comes near its top.
 *
 * The server renders them. What the person sees stays where it is, and so does the focus. It is not read aloud, though the
 * transcript is a live region: it is not new. Without JavaScript the link leads to a page with the older part.
 */

const AHEAD = "1000px 0px 0px"; // so far above the window it begins to load
const QUIET_MS = 500; // until a screen reader has seen that this was no news

export class Earlier {
  #log;
  #words;
  #added;
  #loading = null; // what is on its way
  #near = new IntersectionObserver(([entry]) => entry.isIntersecting && this.#load(), { rootMargin: AHEAD });

  /** `added(elements)` is called with what has come into the log. */
  constructor(log, words, added) {
    this.#log = log;
    this.#words = words;
    this.#added = added;
    log.addEventListener("click", (event) => this.#click(event));
    this.begin();
  }

  /** Go on with the link that the server rendered. */
  begin() {
    this.#near.disconnect(); // and looks again: the new link may be near too
    if (this.#link) {
      this.#near.observe(this.#link);
    }
  }

  /** Load older parts until `isThere()`, or until they reach back beyond the fact `seq`. Return whether they came. */
  async reach(seq, isThere) {
    while (!isThere() && Number(this.#link?.dataset.before ?? 0) > seq) {
      if (!(await this.#load())) {
        return false;
      }
    }
    return true;
  }

  get #link() {
    return this.#log.querySelector(":scope > .earlier > [data-earlier]");
  }

  #click(event) {
    const isPlain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
    if (isPlain && event.target.closest("[data-earlier]")) {
      event.preventDefault();
      this.#load();
    }
  }

  /** Resolves to whether it came. */
  async #load() {
    if (!this.#link) {
      return false; // what was near is here already
    }
    this.#loading ??= this.#fetch(this.#link).finally(() => (this.#loading = null));
    return this.#loading;
  }

  async #fetch(link) {
    link.textContent = this.#words.loadingEarlier;
    try {
      const response = await fetch(link.dataset.earlier);
      if (!response.ok || response.redirected) {
        throw new Error(response.statusText);
      }
      const html = await response.text();
      if (link.isConnected) { // else another branch has taken the place of this one
        this.#put(link, html);
        this.begin();
      }
      return true;
    } catch {
      link.textContent = this.#words.noEarlier; // it is a link still, and coming back to it tries again
      return false;
    }
  }

  #put(link, html) {
    const page = document.scrollingElement;
    const old = link.parentElement;
    const hadFocus = document.activeElement === link;
    const elements = [...new DOMParser().parseFromString(html, "text/html").body.children];
    const anchor = old.nextElementSibling ?? this.#log.nextElementSibling;
    const before = anchor.getBoundingClientRect().top;
    this.#log.setAttribute("aria-live", "off");
    setTimeout(() => this.#log.removeAttribute("aria-live"), QUIET_MS);
    page.style.overflowAnchor = "none"; // the browser would move it once more
    old.replaceWith(...elements);
    this.#added(elements);
    page.scrollTop += anchor.getBoundingClientRect().top - before;
    requestAnimationFrame(() => (page.style.overflowAnchor = ""));
    if (hadFocus) {
      const [top] = elements;
      (top.querySelector("a") ?? top).focus({ preventScroll: true });
    }
  }
}
