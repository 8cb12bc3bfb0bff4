/*
 * What can be done with a chat, without leaving the page: the menu of an entry in the list, and the one in the heading.
 *
 * All of it works without this, too: the dots of an entry lead to a page with the same menu. Esc closes what is open.
 */

import { withId } from "./chats.js";
import { toast } from "./toasts.js";

export class Menus {
  #menu = document.getElementById("chat-menu");
  #chats;
  #words;
  #current;
  #opener = null;
  #wasOpen = false;

  /** `current` is the id of the chat that the page shows; `named(id, title)` is called when a chat was renamed. */
  constructor(chats, words, { current, named }) {
    this.#chats = chats;
    this.#words = words;
    this.#current = current;
    this.named = named;
    const isOpen = () => Boolean(this.#menu.showPopover) && this.#menu.matches(":popover-open");
    document.addEventListener("pointerdown", () => (this.#wasOpen = isOpen()), true); // which closes it
    document.addEventListener("click", (event) => this.#click(event));
    document.addEventListener("submit", (event) => this.#submit(event));
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#escape(event), true);
    this.#menu.addEventListener("toggle", ({ newState }) => {
      this.#opener?.setAttribute("aria-expanded", String(newState === "open"));
    });
  }

  #click(event) {
    const opener = event.target.closest("[data-menu]");
    if (opener && !event.ctrlKey && !event.metaKey && !event.shiftKey && this.#menu.showPopover) {
      event.preventDefault();
      this.#open(opener);
    }
    for (const details of document.querySelectorAll("details[data-close][open]")) {
      details.open = details.contains(event.target);
    }
  }

  #open(opener) {
    const { id } = opener.closest(".entry").dataset;
    const isClosedByThis = this.#wasOpen && opener === this.#opener;
    this.#wasOpen = false;
    if (isClosedByThis) {
      return;
    }
    this.#menu.hidePopover();
    const items = withId(document.getElementById("blank-menu").content.firstElementChild.cloneNode(true), id);
    items.querySelector('[name="title"]').value = this.#chats.titleOf(id);
    this.#menu.replaceChildren(items);
    this.#opener = opener;
    this.#menu.showPopover();
    this.#place(opener.getBoundingClientRect());
    items.querySelector("summary").focus();
  }

  /** Beside its dots, within the window. */
  #place({ bottom, left, right, top }) {
    const { offsetWidth: width, offsetHeight: height, style } = this.#menu;
    const isRtl = document.documentElement.dir === "rtl";
    const start = isRtl ? left : right - width;
    style.left = `${Math.max(8, Math.min(start, innerWidth - width - 8))}px`;
    style.top = `${bottom + height + 8 < innerHeight ? bottom : Math.max(8, top - height)}px`;
  }

  #escape(event) {
    const details = document.querySelector("details[data-close][open]");
    if (details) {
      event.stopPropagation(); // it closes this, and stops no agent
      details.open = false;
      details.querySelector("summary").focus();
    } else if (this.#menu.contains(document.activeElement)) {
      event.stopPropagation();
    }
  }

  #close(form) {
    form.closest("details[data-close]")?.removeAttribute("open");
    if (form.closest("#chat-menu")) {
      this.#menu.hidePopover();
    }
  }

  #submit(event) {
    const form = event.target;
    const id = form.closest("[data-chat]")?.dataset.chat;
    if (form.matches("[data-rename]") && !form.closest(".plain-page")) {
      event.preventDefault();
      this.#rename(form, id);
    } else if (form.matches("[data-delete]") && id !== this.#current && form.closest("#chat-menu")) {
      event.preventDefault();
      this.#delete(form, id);
    }
  }

  async #rename(form, id) {
    const { ok, answer } = await post(form);
    if (!ok) {
      form.querySelector(".complaint").textContent = answer.error ?? this.#words.failed;
      return;
    }
    form.closest("details").open = false;
    form.closest("details[data-close]")?.querySelector("summary").focus(); // the form goes, with what had the focus
    this.#close(form);
    this.#chats.rename(id, answer.title);
    this.named(id, answer.title);
    toast(this.#words.renamed);
  }

  async #delete(form, id) {
    this.#close(form);
    const { ok } = await post(form);
    if (!ok) {
      toast(this.#words.failed);
      return;
    }
    const entry = this.#chats.remove(id);
    toast(this.#words.deleted, { label: this.#words.undo, run: () => this.#takeBack(id, entry) });
  }

  async #takeBack(id, entry) {
    const blank = document.getElementById("blank-take-back").content.firstElementChild;
    const { ok } = await post(withId(blank.cloneNode(true), id));
    if (ok) {
      this.#chats.restore(id, entry);
    }
    toast(ok ? this.#words.back : this.#words.failed);
  }
}

/** Send a form, and stay here. */
async function post(form) {
  try {
    const body = new URLSearchParams(new FormData(form));
    const response = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { Accept: "application/json" } });
    const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
    return { ok: response.ok && isJson, answer: isJson ? await response.json() : {} };
  } catch {
    return { ok: false, answer: {} };
  }
}
