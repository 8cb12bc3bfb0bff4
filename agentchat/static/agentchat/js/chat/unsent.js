/*
 * Input that is not sent yet: drafts are stored for the tab's session, so that they survive a reload, a lost connection
 * or a restarted server. Secrets must not be stored here.
 *
 * Files are not taken, and the user is told: a browser would leave the page for a file that is dropped on it, and say
 * nothing about an image that is pasted.
 */

export class Drafts {
  constructor(key) {
    this.key = key;
  }

  get(name) {
    return sessionStorage.getItem(this.#keyOf(name)) ?? "";
  }

  /** Store a draft; an empty one is removed. */
  set(name, text) {
    if (!text) {
      sessionStorage.removeItem(this.#keyOf(name));
      return;
    }
    try {
      sessionStorage.setItem(this.#keyOf(name), text);
    } catch {
      // The storage is full: the page still has the input.
    }
  }

  #keyOf(name) {
    return `${this.key}:draft:${name}`;
  }
}

/** `refuse()` is called when the user drops or pastes something other than text. */
export function takeTextOnly(refuse) {
  const isField = (target) => target.matches("textarea, input");
  const hasFiles = ({ types }) => types.includes("Files");
  for (const type of ["dragover", "drop"]) {
    addEventListener(type, (event) => {
      if (hasFiles(event.dataTransfer)) {
        event.preventDefault();
        type === "drop" && refuse();
      } else if (!isField(event.target)) {
        event.preventDefault(); // a link that is dropped beside the field would be followed, too
        event.dataTransfer.dropEffect = "none";
      }
    });
  }
  addEventListener("paste", ({ clipboardData, target }) => {
    if (isField(target) && hasFiles(clipboardData) && !clipboardData.types.includes("text/plain")) {
      refuse();
    }
  });
}
