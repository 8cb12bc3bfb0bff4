/*
 * A file of the chat, opened in a dialog: a picture, a PDF, a text, sound or film. Its link opens it in a tab of its
 * own, also without this script. What is in a file is never part of this page: a text is shown as text, and a PDF in a
 * frame with the browser's own viewer.
 */

const MAX_TEXT = 200_000; // characters that are shown; the rest is in the file

let dialog = null;

/** Open the file that a link leads to. */
export async function open(link, words) {
  dialog ??= made();
  const { file: kind, name } = link.dataset;
  const body = dialog.querySelector("[data-body]");
  dialog.querySelector("[data-name]").textContent = name;
  dialog.querySelector("[data-save]").href = `${link.href}?save`;
  dialog.dataset.kind = kind;
  body.replaceChildren(await content(kind, link, words));
  dialog.showModal();
}

function made() {
  const element = document.getElementById("blank-viewer").content.firstElementChild.cloneNode(true);
  document.body.append(element);
  element.addEventListener("click", ({ target }) => target === element && element.close()); // beside it
  element.addEventListener("close", () => element.querySelector("[data-body]").replaceChildren()); // sound ends
  return element;
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
