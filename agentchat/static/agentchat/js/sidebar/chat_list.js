/*
 * The list of chats in the sidebar, kept live: titles, statuses, order, and which chats are gone.
 *
 * The page comes with the list; updates change it entry by entry and reuse the elements, so that focus, scroll position
 * and open menus survive. Days are those of the user's clock.
 *
 * Older chats are added in their place when the user asks for them. The list keeps its length and its scroll position on
 * the next page: the tab's session storage remembers them. Without JavaScript a link leads to a page with older chats.
 */

const DAY_MS = 86_400_000;
const OLDER_KEY = "agentchat:chats";
const PLACEHOLDER_ID = "00000000-0000-0000-0000-000000000000";

const month = new Intl.DateTimeFormat(document.documentElement.lang, { month: "long", year: "numeric" });

export class ChatList {
  #root;
  #strings;
  #changed;
  #renamed;
  #entries = new Map(); // id -> {id, element, at, status, title}

  /**
   * `changed({id, title, status, before, isCurrent})` is called when an entry's status changes, and
   * `renamed({title, byModel, isCurrent})` when its title does: in another tab, or by a model.
   */
  constructor(root, strings, changed, renamed) {
    this.#root = root;
    this.#strings = strings;
    this.#changed = changed;
    this.#renamed = renamed;
    root.querySelectorAll(".entry").forEach((element) => this.#adopt(element));
  }

  /** Apply a frame: changed and deleted chats. The first one has `all`: whether it lists all chats or the newest. */
  apply({ chats, gone, all }) {
    const isFirst = all !== undefined;
    if (isFirst) {
      const since = all ? -Infinity : Math.min(...chats.map(({ at }) => exactTime(at)));
      this.#removeMissing(new Set(chats.map(({ id }) => id)), since);
    }
    gone.forEach((id) => this.remove(id));
    chats.forEach((chat) => this.#update(chat, isFirst));
    this.#arrange();
  }

  /** Add the entries of older chats, as the server rendered them. */
  add(elements) {
    for (const element of elements.filter(({ dataset }) => !this.#entries.has(dataset.id))) {
      this.#adopt(element);
    }
    this.#arrange();
  }

  /** Show a new title at once: the server is about to confirm it. */
  rename(id, title) {
    const entry = this.#entries.get(id);
    if (entry) {
      this.#setTitle(entry, title);
    }
  }

  /** Remove an entry; return what `restore` needs to put it back. */
  remove(id) {
    const entry = this.#entries.get(id);
    if (!entry || isCurrent(entry)) {
      return null; // the page of a deleted chat shows that itself
    }
    if (entry.element.contains(document.activeElement)) {
      const { nextElementSibling: next, previousElementSibling: previous } = entry.element;
      ((next ?? previous)?.querySelector("a") ?? this.#root).focus();
    }
    this.#entries.delete(id);
    entry.element.remove();
    this.#arrange();
    return entry;
  }

  /** The deletion was undone. The server may not report it, if it had not listed the chat before. */
  restore(id, entry) {
    if (entry && !this.#entries.has(id)) {
      this.#entries.set(id, entry);
      this.#arrange();
    }
  }

  /** Open a chat. */
  open(id) {
    this.#entries.get(id)?.element.querySelector("a").click();
  }

  titleOf(id) {
    return this.#entries.get(id)?.title ?? "";
  }

  /** Remove the chats that the list no longer has, among those since `since`. */
  #removeMissing(ids, since) {
    for (const [id, { at }] of this.#entries) {
      if (!ids.has(id) && at >= since) {
        this.remove(id);
      }
    }
  }

  #update({ id, title, agent, status, at, byModel }, isFirst) {
    let entry = this.#entries.get(id);
    if (!entry) {
      entry = { id, element: this.#createEntry(id, agent), status: isFirst ? status : "", title: "" };
      this.#entries.set(id, entry);
    }
    entry.at = exactTime(at);
    if (!isTruncated(title, entry.title)) {
      this.#setTitle(entry, title);
      this.#renamed({ title, byModel, isCurrent: isCurrent(entry) });
    }
    const before = entry.status;
    entry.status = status;
    const shown = status === "failed" && isCurrent(entry) ? "idle" : status; // the chat itself shows its error
    if (entry.element.dataset.status !== shown) {
      entry.element.dataset.status = shown;
    }
    if (before !== status || status === "failed") {
      this.#changed({ id, title: entry.title, status, before, isCurrent: isCurrent(entry) });
    }
  }

  #setTitle(entry, title) {
    entry.title = title;
    for (const heading of entry.element.querySelectorAll("[data-title]")) {
      heading.textContent = title;
      delete heading.dataset.untitled;
    }
  }

  /** Keep the entry of an element that the server rendered. */
  #adopt(element) {
    const { id, at, status } = element.dataset;
    const title = element.querySelector("[data-title]").textContent;
    this.#entries.set(id, { id, element, at: exactTime(at), status, title });
  }

  #createEntry(id, agent) {
    const element = document.getElementById("blank-entry").content.firstElementChild.cloneNode(true);
    fillInChatId(element, id);
    element.querySelector("a").title = agent;
    return element;
  }

  /** Sort the entries by day, the newest first. Only entries in the wrong place are moved. */
  #arrange() {
    const focused = document.activeElement;
    const existing = [...this.#root.querySelectorAll("section")];
    const sections = new Map(existing.map((each) => [each.firstElementChild.textContent, each]));
    const days = new Map();
    for (const entry of [...this.#entries.values()].sort(newestFirst)) {
      const day = this.#dayOf(entry.at);
      days.set(day, [...(days.get(day) ?? []), entry.element]);
    }
    const ordered = [...days].map(([day, elements]) => {
      const section = sections.get(day) ?? this.#createDay(day);
      placeInOrder(section.querySelector("ul"), elements);
      return section;
    });
    placeInOrder(this.#root, ordered);
    sections.forEach((section) => section.querySelector(".entry") || section.remove());
    this.#root.querySelector("[data-empty]").hidden = this.#entries.size > 0;
    if (focused !== document.activeElement && focused?.isConnected) {
      focused.focus({ preventScroll: true }); // moving an element takes its focus
    }
  }

  #createDay(day) {
    const section = document.getElementById("blank-day").content.firstElementChild.cloneNode(true);
    section.firstElementChild.textContent = day;
    return section;
  }

  #dayOf(at) {
    const today = new Date().setHours(0, 0, 0, 0);
    if (at >= today) {
      return this.#strings.today;
    }
    if (at >= today - DAY_MS) {
      return this.#strings.yesterday;
    }
    return at >= today - 6 * DAY_MS ? this.#strings.week : month.format(at);
  }
}

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
      sessionStorage.setItem(OLDER_KEY, JSON.stringify({ pages: this.#pages, top: this.#list.scrollTop }));
    } catch {
      // The storage is full: the next page shows the newest chats.
    }
  }

  async #restore() {
    const stored = sessionStorage.getItem(OLDER_KEY);
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

/** The milliseconds of a moment in ISO 8601, with its microseconds: `Date.parse` leaves them out. */
function exactTime(iso) {
  return Date.parse(iso) + Number(iso.match(/\.\d{3}(\d{3})/)?.[1] ?? 0) / 1000;
}

/** The order of the server's pages: by time, and chats of the same time by id. */
function newestFirst(one, other) {
  return other.at - one.at || (other.id > one.id ? 1 : -1);
}

/** Replace the template's placeholder id with a chat's, in all attributes. */
export function fillInChatId(element, id) {
  for (const each of [element, ...element.querySelectorAll("*")]) {
    for (const { name, value } of [...each.attributes]) {
      if (value.includes(PLACEHOLDER_ID)) {
        each.setAttribute(name, value.replace(PLACEHOLDER_ID, id));
      }
    }
  }
  return element;
}

function isCurrent({ element }) {
  return element.querySelector("[aria-current]") !== null;
}

/** Whether the server's title is the one that is shown, or a truncated form of it. */
export function isTruncated(title, shown) {
  return title === shown || (title.endsWith("…") && shown.startsWith(title.slice(0, -1)));
}

/** Make these elements the first children of `parent`, in this order. */
function placeInOrder(parent, elements) {
  let next = parent.firstElementChild;
  for (const element of elements) {
    if (element === next) {
      next = next.nextElementSibling;
    } else {
      parent.insertBefore(element, next);
    }
  }
}
