/*
 * The menus of chats, in the list and in the heading: rename and delete a chat without leaving the page.
 *
 * Without JavaScript, an entry's button leads to a page with the same menu. Escape closes what is open.
 */

import { post } from "../common/requests.js";
import { showToast } from "../common/toasts.js";
import { fillInChatId } from "./chat_list.js";

export class Menus {
  #menu = document.getElementById("chat-menu");
  #chats;
  #strings;
  #current;
  #opener = null;
  #wasOpen = false;

  /** `current` is the id of the page's chat; `renamed(id, title)` is called after a chat was renamed. */
  constructor(chats, strings, { current, renamed }) {
    this.#chats = chats;
    this.#strings = strings;
    this.#current = current;
    this.renamed = renamed;
    const isOpen = () => Boolean(this.#menu.showPopover) && this.#menu.matches(":popover-open");
    document.addEventListener("pointerdown", () => (this.#wasOpen = isOpen()), true); // the pointer closes it
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
    const items = fillInChatId(document.getElementById("blank-menu").content.firstElementChild.cloneNode(true), id);
    items.querySelector('[name="title"]').value = this.#chats.titleOf(id);
    this.#menu.replaceChildren(items);
    this.#opener = opener;
    this.#menu.showPopover();
    this.#moveTo(opener.getBoundingClientRect());
    items.querySelector("summary").focus();
  }

  /** Place the menu at its button, within the window. */
  #moveTo({ bottom, left, right, top }) {
    const { offsetWidth: width, offsetHeight: height, style } = this.#menu;
    const isRtl = document.documentElement.dir === "rtl";
    const start = isRtl ? left : right - width;
    style.left = `${Math.max(8, Math.min(start, innerWidth - width - 8))}px`;
    style.top = `${bottom + height + 8 < innerHeight ? bottom : Math.max(8, top - height)}px`;
  }

  #escape(event) {
    const details = document.querySelector("details[data-close][open]");
    if (details) {
      event.stopPropagation(); // it closes the menu and does not stop the run
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
    const reply = await post(form);
    const { ok, result } = reply;
    if (!ok) {
      form.querySelector(".complaint").textContent = this.#explain(reply);
      return;
    }
    form.closest("details").open = false;
    form.closest("details[data-close]")?.querySelector("summary").focus(); // the focused form disappears
    this.#close(form);
    this.#chats.rename(id, result.title);
    this.renamed(id, result.title);
    showToast(this.#strings.renamed);
  }

  async #delete(form, id) {
    this.#close(form);
    const reply = await post(form);
    if (!reply.ok) {
      showToast(this.#explain(reply));
      return;
    }
    const entry = this.#chats.remove(id);
    showToast(this.#strings.deleted, { label: this.#strings.undo, run: () => this.#undoDelete(id, entry) });
  }

  async #undoDelete(id, entry) {
    const blank = document.getElementById("blank-take-back").content.firstElementChild;
    const reply = await post(fillInChatId(blank.cloneNode(true), id));
    if (reply.ok) {
      this.#chats.restore(id, entry);
    }
    showToast(reply.ok ? this.#strings.back : this.#explain(reply));
  }

  /** Why a form was not accepted, and whether it is of use to try again. */
  #explain({ result, status }) {
    return result.error ?? this.#strings[{ 403: "signedOut", 404: "gone" }[status] ?? "failed"];
  }
}
