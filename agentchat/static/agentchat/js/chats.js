/*
 * The list of chats in the sidebar, as the server says that it is now: names, statuses, order, and who is gone.
 *
 * The page comes with the list; here it changes, entry by entry. Nothing is made anew that is there, so that focus, scroll
 * and what is open stay as they are. Days are those of the reader's clock.
 */

const DAY_MS = 86_400_000;
const BLANK = "00000000-0000-0000-0000-000000000000";

const month = new Intl.DateTimeFormat(document.documentElement.lang, { month: "long", year: "numeric" });

export class Chats {
  #root;
  #words;
  #changed;
  #entries = new Map(); // id -> {element, at, status, title}

  /** `changed({id, title, status, before, isCurrent})` is called for each entry with another status than before. */
  constructor(root, words, changed) {
    this.#root = root;
    this.#words = words;
    this.#changed = changed;
    for (const element of root.querySelectorAll(".entry")) {
      const { id, at, status } = element.dataset;
      const title = element.querySelector("[data-title]").textContent;
      this.#entries.set(id, { element, at: Date.parse(at), status, title });
    }
  }

  take({ chats, gone, all }) {
    const isFirst = all !== undefined;
    if (isFirst) {
      const since = all ? -Infinity : Math.min(...chats.map(({ at }) => Date.parse(at)));
      this.#forget(new Set(chats.map(({ id }) => id)), since);
    }
    gone.forEach((id) => this.remove(id));
    chats.forEach((chat) => this.#put(chat, isFirst));
    this.#arrange();
  }

  /** What the person has called it just now: the server says the same in a moment. */
  rename(id, title) {
    const entry = this.#entries.get(id);
    if (entry) {
      this.#name(entry, title);
    }
  }

  /** Take an entry out; return what `restore` puts back. */
  remove(id) {
    const entry = this.#entries.get(id);
    if (!entry || isCurrent(entry)) {
      return null; // the page of a chat that is gone says so itself
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

  /** The deletion was taken back. The server may never have seen it in a list, and have nothing to say. */
  restore(id, entry) {
    if (entry && !this.#entries.has(id)) {
      this.#entries.set(id, entry);
      this.#arrange();
    }
  }

  /** Open this chat. */
  go(id) {
    this.#entries.get(id)?.element.querySelector("a").click();
  }

  titleOf(id) {
    return this.#entries.get(id)?.title ?? "";
  }

  /** What is not in the whole list any more, or not in its newest part that begins at `since`. */
  #forget(there, since) {
    for (const [id, { at }] of this.#entries) {
      if (!there.has(id) && at >= since) {
        this.remove(id);
      }
    }
  }

  #put({ id, title, agent, status, at }, isFirst) {
    let entry = this.#entries.get(id);
    if (!entry) {
      entry = { element: this.#make(id, agent), status: isFirst ? status : "", title: "" };
      this.#entries.set(id, entry);
    }
    entry.at = Date.parse(at);
    if (title !== entry.title && !isCutOf(title, entry.title)) {
      this.#name(entry, title);
    }
    const before = entry.status;
    entry.status = status;
    const shown = status === "failed" && isCurrent(entry) ? "idle" : status; // the chat itself says it
    if (entry.element.dataset.status !== shown) {
      entry.element.dataset.status = shown;
    }
    if (before !== status || status === "failed") {
      this.#changed({ id, title: entry.title, status, before, isCurrent: isCurrent(entry) });
    }
  }

  #name(entry, title) {
    entry.title = title;
    for (const place of entry.element.querySelectorAll("[data-title]")) {
      place.textContent = title;
      delete place.dataset.untitled;
    }
  }

  #make(id, agent) {
    const element = document.getElementById("blank-entry").content.firstElementChild.cloneNode(true);
    withId(element, id);
    element.querySelector("a").title = agent;
    return element;
  }

  /** Each entry under its day, the newest first. Only what is out of place is moved. */
  #arrange() {
    const focused = document.activeElement;
    const shown = [...this.#root.querySelectorAll("section")];
    const sections = new Map(shown.map((each) => [each.firstElementChild.textContent, each]));
    const days = new Map();
    for (const entry of [...this.#entries.values()].sort((one, other) => other.at - one.at)) {
      const day = this.#dayOf(entry.at);
      days.set(day, [...(days.get(day) ?? []), entry.element]);
    }
    const wanted = [...days].map(([day, elements]) => {
      const section = sections.get(day) ?? this.#makeDay(day);
      inOrder(section.querySelector("ul"), elements);
      return section;
    });
    inOrder(this.#root, wanted);
    sections.forEach((section) => section.querySelector(".entry") || section.remove());
    this.#root.querySelector("[data-empty]").hidden = this.#entries.size > 0;
    if (focused !== document.activeElement && focused?.isConnected) {
      focused.focus({ preventScroll: true }); // it was moved
    }
  }

  #makeDay(day) {
    const section = document.getElementById("blank-day").content.firstElementChild.cloneNode(true);
    section.firstElementChild.textContent = day;
    return section;
  }

  #dayOf(at) {
    const today = new Date().setHours(0, 0, 0, 0);
    if (at >= today) {
      return this.#words.today;
    }
    if (at >= today - DAY_MS) {
      return this.#words.yesterday;
    }
    return at >= today - 6 * DAY_MS ? this.#words.week : month.format(at);
  }
}

/** Put a chat's id where the blank's stands, in addresses and data. */
export function withId(element, id) {
  for (const each of [element, ...element.querySelectorAll("*")]) {
    for (const { name, value } of [...each.attributes]) {
      if (value.includes(BLANK)) {
        each.setAttribute(name, value.replace(BLANK, id));
      }
    }
  }
  return element;
}

function isCurrent({ element }) {
  return element.querySelector("[aria-current]") !== null;
}

/** Whether the server's name is the beginning of the one that is shown. */
function isCutOf(title, shown) {
  return title.endsWith("…") && shown.startsWith(title.slice(0, -1));
}

/** The first children of `parent` are these, in this order. */
function inOrder(parent, elements) {
  let at = parent.firstElementChild;
  for (const element of elements) {
    if (element === at) {
      at = at.nextElementSibling;
    } else {
      parent.insertBefore(element, at);
    }
  }
}
