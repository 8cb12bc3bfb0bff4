/*
 * A file of the chat, opened in a dialog: a picture, a PDF, a text, sound or film. Its link opens it in a tab of its
 * own, also without this script, which is loaded when somebody opens one. What is in a file is never part of this page:
 * a text is shown as text, and a PDF in a frame with the browser's own viewer.
 */

const MAX_TEXT = 200_000; // characters that are shown; the rest is in the file

const dialog = document.createElement("dialog");
const [head, heading, body] = ["div", "h2", "div"].map((name) => document.createElement(name));
const [save, close] = ["a", "button"].map((name) => document.createElement(name));
[dialog.className, head.className, body.className, save.className] = ["viewer", "viewer-head", "viewer-body", "button quiet"];
[heading.id, heading.dir, close.type, close.className, save.download] = ["viewer-name", "auto", "button", "icon-button", ""];
dialog.setAttribute("aria-labelledby", heading.id);
close.textContent = "✕";
close.addEventListener("click", () => dialog.close());
dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close()); // beside it
dialog.addEventListener("close", () => body.replaceChildren()); // sound ends
head.append(heading, save, close);
dialog.append(head, body);
document.body.append(dialog);

/** Open the file that a link leads to. */
export async function open(link) {
  const { file: kind, name } = link.dataset;
  const words = link.closest("[data-download]").dataset;
  [heading.textContent, save.textContent] = [name, words.download];
  save.href = `${link.href}?save`;
  close.setAttribute("aria-label", words.close);
  dialog.dataset.kind = kind;
  body.replaceChildren(await content(kind, link, words));
  dialog.showModal();
}

async function content(kind, { href, dataset }, words) {
  const { name } = dataset;
  if (kind === "text") {
    return textOf(href, words);
  }
  const element = document.createElement({ image: "img", pdf: "iframe" }[kind] ?? kind);
  element.src = href;
  if (kind === "image") {
    element.alt = name;
  } else if (kind === "pdf") {
    element.title = name;
  } else {
    element.controls = true;
  }
  return element;
}

async function textOf(href, words) {
  const element = document.createElement("pre");
  [element.dir, element.tabIndex] = ["auto", 0];
  try {
    const response = await fetch(href);
    const text = response.ok ? await response.text() : words.notShown;
    element.textContent = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  } catch {
    element.textContent = words.notShown;
  }
  return element;
}
