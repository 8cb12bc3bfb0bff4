/*
 * One card that the user can answer: its buttons and fields, the draft typed into it, and its deadline.
 *
 * It is `open`, then `sending`; the server renders its final state. An expired
 * card keeps what was typed, so that it can be copied.
 */

import { CharacterLimit } from "../common/characters.js";
import { parseExact } from "../common/exact_json.js";
import { FormFields } from "./fields.js";

export class Card {
  #element;
  #strings;
  #draft;
  #send;
  #controls;
  #forms;
  #fields = null;
  #reasonLimit = null;
  #initialValue = ""; // what the fields hold at first, as JSON: the value, and the input as shown
  #initialInput = "";
  /** The user answered it in this page, though perhaps too late. */
  wasSent = false;

  /** `send(value, { isSecret })` sends an answer; `draft` is `{ get(), set(text) }`. */
  constructor(element, { send, draft, strings }) {
    this.#element = element;
    this.#send = send;
    this.#draft = draft;
    this.#strings = strings;
    this.#controls = element.querySelector("[data-controls]");
    this.#forms = [...this.#controls.querySelectorAll("form")];
    element.querySelector("noscript")?.remove();
    this.#build();
    this.#restoreDraft();
    const reason = this.#part("[data-why]");
    this.#reasonLimit = reason && new CharacterLimit(reason, this.#part("[data-limit]"), strings);
    this.#controls.hidden = false;
    for (const form of this.#forms) {
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        this.#decide(event.submitter.value);
      });
    }
    this.#controls.addEventListener("input", () => this.#saveDraft());
    this.#controls.addEventListener("click", ({ target }) => target.dataset.to && this.#switchTo(target.dataset.to));
    element.addEventListener("keydown", (event) => this.#key(event));
    if (element.dataset.state !== "open") {
      this.close();
    }
  }

  get isOpen() {
    return this.#element.dataset.state === "open";
  }

  /** When it expires, by the server's clock, in ms; NaN for never. */
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

  showTimeLeft(text) {
    const until = this.#part("[data-until]");
    if (until.textContent !== text) {
      [until.textContent, until.hidden] = [text, false];
    }
  }

  /** An answer is on its way, maybe since before a reload. */
  showSent() {
    const hadFocus = this.hasFocus;
    this.wasSent = true;
    this.#element.dataset.state = "sending";
    this.#controls.disabled = true;
    this.#showError("");
    if (hadFocus) {
      this.focus(); // the focused control is disabled now
    }
  }

  /** The server rejected the answer. */
  reject({ code, message, errors }) {
    if (this.#element.dataset.state !== "sending") {
      return; // answered in the meantime
    }
    this.#element.dataset.state = code === "expired" ? "expired" : "open";
    this.#controls.disabled = false;
    if (code === "expired") {
      this.close();
      return;
    }
    if (errors && this.#fields) {
      this.#showFieldErrors(errors, message);
    } else {
      this.#showError(message);
      this.#reveal();
    }
  }

  /** Its deadline has passed. */
  expire() {
    this.#element.dataset.state = "expired";
    this.close();
  }

  /** It has reached its final state: it can no longer be answered. */
  close() {
    const keepsDraft = this.#element.dataset.state === "expired" && this.#draft.get();
    if (keepsDraft) {
      this.#freeze();
      return;
    }
    this.#draft.set("");
    for (const selector of ["[data-controls]", "[data-until]", "[data-complaint]"]) {
      this.#part(selector)?.remove();
    }
    ["schema", "initial", "expires", "mode"].forEach((name) => delete this.#element.dataset[name]);
  }

  // --- modes ---------------------------------------------------------------------------------------------------------

  #build() {
    const { schema, initial } = this.#element.dataset;
    const container = this.#part("[data-fields]");
    if (container && schema) {
      this.#fields = new FormFields(container, parseExact(schema), parseExact(initial ?? "{}"), this.#strings);
      this.#initialValue = JSON.stringify(this.#fields.value);
      this.#initialInput = JSON.stringify(this.#fields.input);
    }
    if (!this.#fields || this.#fields.isEmpty) {
      this.#part('[data-to="edit"]')?.remove();
    }
  }

  #switchTo(mode) {
    this.#show(mode);
    this.#saveDraft();
    this.#form.scrollIntoView({ block: "nearest" });
    if (mode === "edit") {
      this.#fields.focus();
    } else {
      this.#form.querySelector("textarea, button").focus();
    }
  }

  #show(mode) {
    this.#element.dataset.mode = mode;
    this.#showError("");
    this.#forms.forEach((form) => (form.hidden = form.dataset.mode !== mode));
  }

  get #form() {
    return this.#forms.find((form) => !form.hidden);
  }

  #key(event) {
    const back = event.key === "Escape" && this.isOpen && this.#form?.querySelector('[data-to="ask"]');
    if (back) {
      event.stopPropagation(); // Escape stops the run elsewhere
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
    if (decision === "reject" && this.#reasonLimit?.refuses()) {
      return;
    }
    const reason = decision === "reject" && this.#part("[data-why]")?.value.trim();
    this.#answer(reason ? { decision, reason } : { decision });
  }

  #sendFields(decision) {
    const errors = this.#fields.errors;
    if (Object.keys(errors).length) {
      this.#showFieldErrors(errors, "");
      return;
    }
    const value = this.#fields.value;
    if (decision === "fill") {
      this.#answer(value);
    } else {
      const isChanged = JSON.stringify(value) !== this.#initialValue;
      this.#answer(isChanged ? { decision: "approve", arguments: value } : { decision: "approve" });
    }
  }

  #answer(value) {
    this.showSent();
    this.#send(value, { isSecret: this.#fields?.isSecret ?? false });
  }

  #showFieldErrors(errors, message) {
    this.#show("edit");
    const unplaced = this.#fields.showErrors(errors);
    this.#showError(unplaced.join(" ") || (Object.keys(errors).length ? "" : message));
    this.#reveal();
  }

  /** It has grown: its button must not be covered by the composer, nor the field that is to be corrected. */
  #reveal() {
    const { activeElement } = document;
    for (const element of [this.#form?.querySelector("[type=submit]"), this.hasFocus && activeElement]) {
      element?.scrollIntoView?.({ block: "nearest" });
    }
  }

  #showError(text) {
    const element = this.#part("[data-complaint]");
    if (element) {
      element.textContent = text;
    }
  }

  // --- drafts --------------------------------------------------------------------------------------------------------

  #saveDraft() {
    const draft = { mode: this.#element.dataset.mode, why: this.#part("[data-why]")?.value ?? "" };
    if (this.#fields && JSON.stringify(this.#fields.input) !== this.#initialInput) {
      draft.fields = this.#fields.input;
    }
    const isEmpty = draft.mode === this.#forms[0].dataset.mode && !draft.why && !draft.fields;
    this.#draft.set(isEmpty ? "" : JSON.stringify(draft));
  }

  #restoreDraft() {
    const draft = JSON.parse(this.#draft.get() || "{}");
    if (draft.fields && this.#fields) {
      this.#fields.input = draft.fields;
    }
    if (draft.why) {
      this.#part("[data-why]").value = draft.why;
    }
    this.#show(draft.mode ?? this.#forms[0].dataset.mode);
  }

  /** Nothing can be changed any more, but the draft can be copied. */
  #freeze() {
    this.#controls.disabled = false;
    for (const each of this.#controls.elements) {
      if (each.matches("textarea, input:not([type=checkbox], [type=radio])")) {
        each.readOnly = true;
      } else {
        each.disabled = true;
      }
    }
    this.#showError("");
  }

  #part(selector) {
    return this.#element.querySelector(selector);
  }
}
