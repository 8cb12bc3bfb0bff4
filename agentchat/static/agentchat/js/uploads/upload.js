/*
 * One file on its way to the server, and its card: parts as large as the server says, each after the one before it. After a
 * lost connection it goes on where the server says it is.
 */

const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000];
const CHECK_MS = 1_500;

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The server's answer to a request: its JSON and its status; status 0 without a connection. */
async function ask(address, options = {}) {
  const token = document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
  try {
    const headers = { Accept: "application/json", "X-CSRFToken": token, ...options.headers };
    const response = await fetch(address, { ...options, headers });
    const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
    return { status: isJson ? response.status : response.redirected ? 403 : response.status, ...(isJson ? await response.json() : {}) };
  } catch {
    return { status: 0 };
  }
}

export class Upload extends EventTarget {
  #words;
  #agent;
  #form;
  #file;
  #size;
  #abort = new AbortController();
  #state = "uploading"; // checking, ready, refused, failed
  #offset = 0;

  constructor({ id, agent, form, name = "", size = 0, file = null, words }) {
    super();
    Object.assign(this, { id, name });
    [this.#form, this.#agent, this.#file, this.#size, this.#words] = [form, agent, file, size, words];
    this.element = document.getElementById("blank-file").content.firstElementChild.cloneNode(true);
    this.element.querySelector("[data-remove]").addEventListener("click", () => this.#remove());
    this.element.querySelector("[data-retry]").addEventListener("click", () => this.begin());
    this.#show();
  }

  get size() {
    return this.#size;
  }

  get file() {
    return this.#file;
  }

  /** It is being sent. */
  get isBusy() {
    return this.#state === "uploading";
  }

  /** A message can be sent with it; the server may still be checking it. */
  get isThere() {
    return ["ready", "checking"].includes(this.#state);
  }

  get isChecking() {
    return this.#state === "checking";
  }

  /** What the server says of it. */
  async state() {
    return (await ask(this.#address)).state;
  }

  async begin() {
    this.#set("uploading");
    for (let attempt = 0; this.#state === "uploading"; ) {
      const reply = await this.#next();
      if (this.#abort.signal.aborted) {
        return;
      }
      if (reply.state) {
        attempt = 0;
        this.#take(reply);
      } else if (reply.status && reply.status < 500 && reply.status !== 429) {
        this.#fail(reply.error ?? this.#words.failed, reply.status === 404 && !this.#file);
      } else if (attempt < RETRY_MS.length && reply.status !== 429) {
        await wait(RETRY_MS[attempt++]);
        this.#offset = -1; // ask first how far it is
      } else {
        this.#fail(reply.error ?? this.#words.failed);
      }
    }
    while (this.#state === "checking" && !this.#abort.signal.aborted) {
      await wait(CHECK_MS);
      this.#take(await ask(this.#address));
    }
  }

  #partBytes = 0;

  #next() {
    const { signal } = this.#abort;
    if (!this.#file) {
      return ask(this.#address, { signal }).then((reply) =>
        // After a reload without its file, what is not all there is lost.
        reply.state === "uploading" && reply.offset < reply.size ? { status: 410, error: this.#words.lost } : reply,
      );
    }
    if (!this.#partBytes || this.#offset < 0) {
      const announced = { id: this.id, form: this.#form, agent: this.#agent, name: this.name, size: this.#size };
      return ask(this.#words.uploads, { method: "POST", body: JSON.stringify(announced), signal });
    }
    const body = this.#file.slice(this.#offset, this.#offset + this.#partBytes);
    const headers = { "Upload-Offset": String(this.#offset), "Content-Type": "application/octet-stream" };
    return ask(this.#address, { method: "POST", body, headers, signal });
  }

  #take({ state, offset, size, partBytes, error, name, kind }) {
    if (!state) {
      return; // no answer just now
    }
    [this.#offset, this.#size, this.#partBytes, this.name] = [offset, size, partBytes, name];
    this.#set(state, error);
    if (state === "ready" && kind === "image") {
      const image = this.element.querySelector("img");
      image.src = `${this.#address}/thumbnail`;
      image.hidden = false;
    }
  }

  #fail(text, isGone) {
    if (isGone) {
      this.#remove(); // it was sent, or is too old
      return;
    }
    this.#set("failed", text);
  }

  #set(state, text = "") {
    this.#state = state;
    this.#show(text);
    this.dispatchEvent(new Event("change"));
  }

  #show(text = "") {
    const { element } = this;
    const percent = this.#size ? Math.round((100 * Math.max(this.#offset, 0)) / this.#size) : 0;
    element.dataset.state = this.#state;
    element.querySelector("[data-name]").textContent = this.name;
    element.querySelector("[data-state-words]").textContent = text || (this.#words[this.#state] ?? "").replace("{percent}", percent);
    element.querySelector("progress").value = percent;
    element.querySelector("[data-retry]").hidden = this.#state !== "failed" || !this.#file;
    element.querySelector("[data-remove]").setAttribute("aria-label", this.#words.remove.replace("{name}", this.name));
  }

  #remove() {
    this.#abort.abort();
    this.element.remove();
    ask(this.#address, { method: "DELETE" });
    this.dispatchEvent(new Event("remove"));
  }

  get #address() {
    return `${this.#words.uploads}${this.id}`;
  }
}
