/*
 * One card in the hands of a person: its buttons and fields, what was typed into it, and until when.
 *
 * It is `open`, then `sending`; `showAnswer` (cards.js) or the end of the run gives it its last state. An expired card
 * keeps what was typed, to be read and copied.
 */

import { Fields } from "./fields.js";

export class Card {
  #element;
  #words;
  #draft;
  #send;
  #controls;
  #forms;
  #fields = null;
  #asProposed = ""; // what stands in the fields at first: as they are read, and as they are shown
  #typedAtFirst = "";
  /** It was answered from here, if perhaps not in time. */
  wasSent = false;

  /** `send(value, { isSecret })` sends an answer; `draft` is `{ get(), set(text) }`. */
  constructor(element, { send, draft, words }) {
    this.#element = element;
    this.#send = send;
    this.#draft = draft;
    this.#words = words;
    this.#controls = element.querySelector("[data-controls]");
    this.#forms = [...this.#controls.querySelectorAll("form")];
    element.querySelector("noscript")?.remove();
    this.#build();
    this.#restore();
    this.#controls.hidden = false;
    for (const form of this.#forms) {
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        this.#decide(event.submitter.value);
      });
    }
    this.#controls.addEventListener("input", () => this.#keep());
    this.#controls.addEventListener("click", ({ target }) => target.dataset.to && this.#turnTo(target.dataset.to));
    element.addEventListener("keydown", (event) => this.#key(event));
    if (element.dataset.state !== "open") {
      this.close();
    }
  }

  get isOpen() {
    return this.#element.dataset.state === "open";
  }

  /** When it closes by itself, as the server's clock has it, in ms; NaN for never. */
  get expiresAt() {
    return Date.parse(this.#element.dataset.expires);
  }

  get element() {
    return this.#element;
  }

  get hasFocus() {
    return this.#element.contains(document.activeElement);
  }

  focus() {
    this.#element.focus({ preventScroll: true });
  }

  showTimeLeft(words) {
    const place = this.#part("[data-until]");
    if (place.textContent !== words) {
      [place.textContent, place.hidden] = [words, false];
    }
  }

  /** It is on its way, maybe from before a reload. */
  showSent() {
    const hadFocus = this.hasFocus;
    this.wasSent = true;
    this.#element.dataset.state = "sending";
    this.#controls.disabled = true;
    this.#complain("");
    if (hadFocus) {
      this.focus(); // what had it is disabled
    }
  }

  /** The server did not take the answer. */
  refuse({ code, message, errors }) {
    if (this.#element.dataset.state !== "sending") {
      return; // answered meanwhile
    }
    this.#element.dataset.state = code === "expired" ? "expired" : "open";
    this.#controls.disabled = false;
    if (code === "expired") {
      this.close();
      return;
    }
    if (errors && this.#fields) {
      this.#showErrors(errors, message);
    } else {
      this.#complain(message);
    }
  }

  /** Too late, by the clock. */
  expire() {
    this.#element.dataset.state = "expired";
    this.close();
  }

  /** It has its last state: nothing can be answered any more. */
  close() {
    const isKept = this.#element.dataset.state === "expired" && this.#draft.get();
    if (isKept) {
      this.#freeze();
      return;
    }
    this.#draft.set("");
    for (const place of ["[data-controls]", "[data-until]", "[data-complaint]"]) {
      this.#part(place)?.remove();
    }
    ["schema", "initial", "expires", "mode"].forEach((name) => delete this.#element.dataset[name]);
  }

  // --- modes ---------------------------------------------------------------------------------------------------------

  #build() {
    const { schema, initial } = this.#element.dataset;
    const place = this.#part("[data-fields]");
    if (place && schema) {
      this.#fields = new Fields(place, JSON.parse(schema), JSON.parse(initial ?? "{}"), this.#words);
      this.#asProposed = JSON.stringify(this.#fields.value);
      this.#typedAtFirst = JSON.stringify(this.#fields.typed);
    }
    if (!this.#fields || this.#fields.isEmpty) {
      this.#part('[data-to="edit"]')?.remove();
    }
  }

  #turnTo(mode) {
    this.#show(mode);
    this.#keep();
    this.#form.scrollIntoView({ block: "nearest" });
    if (mode === "edit") {
      this.#fields.focus();
    } else {
      this.#form.querySelector("textarea, button").focus();
    }
  }

  #show(mode) {
    this.#element.dataset.mode = mode;
    this.#complain("");
    this.#forms.forEach((form) => (form.hidden = form.dataset.mode !== mode));
  }

  get #form() {
    return this.#forms.find((form) => !form.hidden);
  }

  #key(event) {
    const back = event.key === "Escape" && this.isOpen && this.#form?.querySelector('[data-to="ask"]');
    if (back) {
      event.stopPropagation(); // elsewhere it stops the run
      back.click();
    }
  }

  // --- answers -------------------------------------------------------------------------------------------------------

  #decide(decision) {
    if (!this.isOpen) {
      return;
    }
    if (decision === "fill" || decision === "change") {
      this.#sendFields(decision);
      return;
    }
    const reason = decision === "reject" && this.#part("[data-why]")?.value.trim();
    this.#answer(reason ? { decision, reason } : { decision });
  }

  #sendFields(decision) {
    const problems = this.#fields.problems;
    if (Object.keys(problems).length) {
      this.#showErrors(problems, "");
      return;
    }
    const value = this.#fields.value;
    if (decision === "fill") {
      this.#answer(value);
    } else {
      const isChanged = JSON.stringify(value) !== this.#asProposed;
      this.#answer(isChanged ? { decision: "approve", arguments: value } : { decision: "approve" });
    }
  }

  #answer(value) {
    this.showSent();
    this.#send(value, { isSecret: this.#fields?.isSecret ?? false });
  }

  #showErrors(errors, message) {
    this.#show("edit");
    const elsewhere = this.#fields.show(errors);
    this.#complain(elsewhere.join(" ") || (Object.keys(errors).length ? "" : message));
  }

  #complain(words) {
    const place = this.#part("[data-complaint]");
    if (place) {
      place.textContent = words;
    }
  }

  // --- drafts --------------------------------------------------------------------------------------------------------

  #keep() {
    const draft = { mode: this.#element.dataset.mode, why: this.#part("[data-why]")?.value ?? "" };
    if (this.#fields && JSON.stringify(this.#fields.typed) !== this.#typedAtFirst) {
      draft.fields = this.#fields.typed;
    }
    const isEmpty = draft.mode === this.#forms[0].dataset.mode && !draft.why && !draft.fields;
    this.#draft.set(isEmpty ? "" : JSON.stringify(draft));
  }

  #restore() {
    const draft = JSON.parse(this.#draft.get() || "{}");
    if (draft.fields && this.#fields) {
      this.#fields.typed = draft.fields;
    }
    if (draft.why) {
      this.#part("[data-why]").value = draft.why;
    }
    this.#show(draft.mode ?? this.#forms[0].dataset.mode);
  }

  /** Nothing can be changed, but what was typed can be copied. */
  #freeze() {
    this.#controls.disabled = false;
    for (const each of this.#controls.elements) {
      if (each.matches("textarea, input:not([type=checkbox], [type=radio])")) {
        each.readOnly = true;
      } else {
        each.disabled = true;
      }
    }
    this.#complain("");
  }

  #part(selector) {
    return this.#element.querySelector(selector);
  }
}
