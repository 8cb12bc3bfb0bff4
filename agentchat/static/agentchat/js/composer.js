/*
 * Where the person writes, and the buttons beside it.
 *
 * Enter sends, Shift+Enter breaks the line; an Enter that ends an input method's composition does neither. A question for
 * a secret is answered in a field that does not show it. What is not sent yet outlives a reload, unless it is a secret.
 */

const COMPLAINT_MS = 15_000;
const MAX_LINES_PX = 240;
const DRAFT = "message";

export class Composer {
  #form;
  #drafts;
  #field = {};
  #complaint = 0;

  /** `submit(text)`, `skip()` and `stop()` are what the person asks for. `drafts` keep what is not sent yet. */
  constructor(form, drafts, { submit, skip, stop }) {
    this.#form = form;
    this.#drafts = drafts;
    for (const id of ["message", "secret", "send", "stop", "skip", "question", "question-words", "complaint"]) {
      this.#field[id] = document.getElementById(id);
    }
    const { message, send } = this.#field;
    send.disabled = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send(submit);
    });
    message.addEventListener("keydown", (event) => this.#key(event));
    message.addEventListener("input", () => this.#changed());
    this.#field.skip.addEventListener("click", skip);
    this.#field.stop.addEventListener("click", stop);
    document.addEventListener("keydown", (event) => {
      // Escape also closes the drawer, and an input method's list.
      if (event.key === "Escape" && !event.isComposing && !document.querySelector("[popover]:popover-open")) {
        stop();
      }
    });
  }

  /**
   * Send the message that the page came with, if any: a suggestion that was chosen on the page before. Put back what was
   * typed before a reload.
   */
  begin(submit) {
    const { message } = this.#field;
    const { firstId } = message.dataset;
    if (firstId && message.value.trim()) {
      submit(this.#empty(message), firstId);
    }
    message.value ||= this.#drafts.get(DRAFT);
    this.#fit();
    this.focus();
  }

  /** Let the person write on. */
  focus() {
    if (matchMedia("(hover: hover)").matches && !this.#form.hidden) {
      this.#input.focus({ preventScroll: true }); // on a phone it would open the keyboard
    }
  }

  /** The person is here, and writes nothing. */
  get isIdle() {
    return document.activeElement === this.#input && !this.#input.value;
  }

  showRun(run) {
    const { question, message, secret } = this.#field;
    const prompt = run.request?.prompt ?? "";
    this.#field.stop.hidden = !run.isBusy;
    this.#field["question-words"].textContent = prompt;
    question.hidden = !prompt.trim();
    const isSecret = Boolean(run.request?.isPassword);
    if (secret.hidden === isSecret) {
      [secret.hidden, secret.disabled, message.hidden] = [!isSecret, !isSecret, isSecret];
      this.#input.focus();
    }
  }

  /** The words were not taken. What is being written meanwhile stays, after them. */
  takeBack(text) {
    const input = this.#input;
    input.value = input.value ? `${text}\n${input.value}` : text;
    this.#changed();
  }

  complain(words) {
    this.#field.complaint.textContent = words;
    clearTimeout(this.#complaint);
    this.#complaint = setTimeout(() => (this.#field.complaint.textContent = ""), COMPLAINT_MS);
  }

  get #input() {
    return this.#field.secret.hidden ? this.#field.message : this.#field.secret;
  }

  #send(submit) {
    const input = this.#input;
    if (input.value.trim()) {
      this.complain("");
      submit(this.#empty(input));
      input.focus();
    }
  }

  #empty(input) {
    const { value } = input;
    input.value = "";
    this.#changed();
    return value;
  }

  #changed() {
    this.#drafts.set(DRAFT, this.#field.message.value);
    this.#fit();
  }

  #key(event) {
    const isComposing = event.isComposing || event.keyCode === 229; // Safari tells only by the code
    if (event.key === "Enter" && !event.shiftKey && !isComposing) {
      event.preventDefault();
      this.#form.requestSubmit();
    }
  }

  /** As high as its lines. Browsers that know `field-sizing` do it themselves. */
  #fit() {
    const { message } = this.#field;
    if (!CSS.supports("field-sizing", "content")) {
      message.style.height = "auto";
      message.style.height = `${Math.min(message.scrollHeight, MAX_LINES_PX)}px`;
    }
  }
}
