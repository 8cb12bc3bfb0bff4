/*
 * The history of the chat: older parts of the transcript, prepended when the user scrolls near its top.
 *
 * The server renders them. The scroll position and the focus stay. Although the transcript is a live region, they are
 * not announced: they are not new. Without JavaScript the link leads to a page with the older part.
 */

const PRELOAD_MARGIN = "1000px 0px 0px"; // loading starts this far above the window
const SILENT_MS = 500; // how long announcements stay off

export class ChatHistory {
  #log;
  #strings;
  #added;
  #loading = null; // the promise of the part that is being loaded
  #observer = new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && this.#load(), {
    rootMargin: PRELOAD_MARGIN,
  });

  /** `added(elements)` is called with the elements that were prepended. */
  constructor(log, strings, added) {
    this.#log = log;
    this.#strings = strings;
    this.#added = added;
    log.addEventListener("click", (event) => this.#click(event));
    this.reset();
  }

  /** Observe the link to the previous part, as the server rendered it. */
  reset() {
    this.#observer.disconnect(); // observing again reports a link that is near already
    if (this.#link) {
      this.#observer.observe(this.#link);
    }
  }

  /** Load older parts until `isFound()`, or until they reach back beyond the event `seq`. Return whether it worked. */
  async loadUntil(seq, isFound) {
    while (!isFound() && Number(this.#link?.dataset.before ?? 0) > seq) {
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

  /** Resolve to whether a part was loaded. */
  async #load() {
    if (!this.#link) {
      return false; // everything is loaded
    }
    this.#loading ??= this.#fetch(this.#link).finally(() => (this.#loading = null));
    return this.#loading;
  }

  async #fetch(link) {
    link.textContent = this.#strings.loadingEarlier;
    try {
      const response = await fetch(link.dataset.earlier);
      if (!response.ok || response.redirected) {
        throw new Error(response.statusText);
      }
      const html = await response.text();
      if (link.isConnected) { // otherwise another branch has replaced this one
        this.#prepend(link, html);
        this.reset();
      }
      return true;
    } catch {
      link.textContent = this.#strings.noEarlier; // it is still a link, and scrolling back to it retries
      return false;
    }
  }

  #prepend(link, html) {
    const page = document.scrollingElement;
    const header = link.parentElement;
    const hadFocus = document.activeElement === link;
    const elements = [...new DOMParser().parseFromString(html, "text/html").body.children];
    const anchor = header.nextElementSibling ?? this.#log.nextElementSibling;
    const before = anchor.getBoundingClientRect().top;
    this.#log.setAttribute("aria-live", "off");
    setTimeout(() => this.#log.removeAttribute("aria-live"), SILENT_MS);
    page.style.overflowAnchor = "none"; // or the browser would adjust the scroll position as well
    header.replaceWith(...elements);
    this.#added(elements);
    page.scrollTop += anchor.getBoundingClientRect().top - before;
    requestAnimationFrame(() => (page.style.overflowAnchor = ""));
    if (hadFocus) {
      const [top] = elements;
      (top.querySelector("a") ?? top).focus({ preventScroll: true });
    }
  }
}
