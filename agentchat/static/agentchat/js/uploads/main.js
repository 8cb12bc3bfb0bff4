/*
 * Files for a message: added by a button, by dropping or pasting them, or with a phone's camera. The page has this
 * script only where an agent takes files.
 *
 *   upload.js   sends one file in parts
 *   kept.js     keeps files that are not sent over a reload
 *   viewer.js   opens a file in place; open_files.js loads it when somebody opens one
 *
 * The composer of a chat (chat/composer.js) asks its form for them (`takeFiles`). The form for a new chat sends their ids in
 * a field of its own. A message waits until its files are uploaded; what is typed stays in its field.
 */

import { newId } from "../common/browser.js";
import { Kept } from "./kept.js";
import { Upload } from "./upload.js";

const POLL_MS = 2_000;

const form = document.getElementById("composer") ?? document.getElementById("start");
const list = document.getElementById("files");
const picker = document.getElementById("pick-files");
const button = document.getElementById("add-files");
const complaint = document.getElementById("complaint");
const words = list.dataset;
const choice = document.getElementById("agent");
const isStart = form.matches("#start"); // not by `id`: it has a field of this name
const kept = new Kept(`agentchat:${isStart ? form.getAttribute("action") : document.getElementById("chat").dataset.socket}`);
const uploads = new Map(); // id → Upload, in the order in which they were added
const waiting = new Set(); // ids of files that were sent, and are being checked

/** What the agent takes: `accept` as a file field wants it, the most bytes and files. */
function rules() {
  const { dataset } = choice?.selectedOptions[0] ?? list;
  return { agent: dataset.agent, accept: dataset.accept ?? "", maxBytes: Number(dataset.maxBytes), maxFiles: Number(words.maxFiles) };
}

function add(files) {
  const { agent, maxBytes, maxFiles } = rules();
  complaint.textContent = "";
  for (const file of files) {
    const name = file.name || "image.png";
    if (uploads.size >= maxFiles) {
      complaint.textContent = words.tooMany;
    } else if (!file.size) {
      complaint.textContent = words.empty.replace("{name}", name);
    } else if (file.size > maxBytes) {
      complaint.textContent = words.tooLarge.replace("{name}", name);
    } else {
      start(new Upload({ id: newId(), agent, form: form.elements.id?.value, name, size: file.size, file, words }));
    }
  }
  changed();
}

function start(upload) {
  uploads.set(upload.id, upload);
  list.append(upload.element);
  upload.addEventListener("change", changed);
  upload.addEventListener("remove", () => {
    uploads.delete(upload.id);
    kept.forget(upload.id);
    changed();
    button.focus();
  });
  kept.keep(upload);
  upload.begin();
}

const isBusy = () => [...uploads.values()].some((upload) => upload.isBusy);
const sendable = () => [...uploads.values()].filter((upload) => upload.isThere);
let isSubmitting = null; // the button, while a message waits for its files

function changed() {
  list.hidden = !uploads.size;
  kept.note([...uploads.keys()]);
  const message = document.getElementById("message");
  form.toggleAttribute("data-files", uploads.size > 0); // it can be sent without a text
  if (isStart) {
    message.required = !uploads.size;
  }
  if (isSubmitting && !isBusy()) {
    const { submitter, target } = isSubmitting;
    isSubmitting = null;
    if ([...uploads.values()].every((upload) => upload.isThere)) {
      target.requestSubmit(submitter);
    } else {
      complaint.textContent = words.notAll;
    }
  }
}

/** The ids of the files, which go with a message now; nothing if there are none. */
function take() {
  if (!uploads.size || !document.getElementById("secret").hidden) {
    return undefined;
  }
  const taken = sendable();
  taken.forEach((upload) => {
    uploads.delete(upload.id);
    upload.element.remove();
    kept.forget(upload.id);
    if (upload.isChecking) {
      waiting.add(upload.id);
    }
  });
  changed();
  watch();
  return taken.map((upload) => upload.id);
}

/** A message with these files was not accepted. */
function restore(ids = []) {
  for (const id of ids) {
    waiting.delete(id);
    const upload = new Upload({ id, words });
    start(upload);
  }
  changed();
}

/** When a file of a message is refused after all, the message is sent again: the server says why it does not take it. */
async function watch() {
  while (waiting.size) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    for (const id of waiting) {
      const state = await new Upload({ id, words }).state();
      if (state !== "checking") {
        waiting.delete(id);
        if (state === "refused") {
          document.querySelectorAll("#pending [data-resend]").forEach((each) => each.click());
        }
      }
    }
  }
}

// --- the ways in -----------------------------------------------------------------------------------------------------

button.addEventListener("click", () => picker.click());
picker.addEventListener("change", () => {
  add(picker.files);
  picker.value = "";
});

const filesOf = (transfer) => [...(transfer?.files ?? [])];
const carriesFiles = (event) => (event.dataTransfer ?? event.clipboardData)?.types.includes("Files") && !form.hidden && !button.hidden;

// Before unsent.js, which refuses files.
addEventListener("dragover", (event) => hold(event, true), true);
addEventListener("dragleave", (event) => event.relatedTarget || form.removeAttribute("data-dropping"), true);
addEventListener("drop", (event) => hold(event, false) && add(filesOf(event.dataTransfer)), true);
addEventListener(
  "paste",
  (event) => {
    // Text that comes with its own picture, as from a spreadsheet, is text.
    if (carriesFiles(event) && !event.clipboardData.types.includes("text/plain")) {
      event.preventDefault();
      event.stopImmediatePropagation();
      add(filesOf(event.clipboardData));
    }
  },
  true,
);

function hold(event, isOver) {
  if (!carriesFiles(event)) {
    return false;
  }
  event.preventDefault();
  event.stopImmediatePropagation();
  form.toggleAttribute("data-dropping", isOver);
  return true;
}

// --- sending ---------------------------------------------------------------------------------------------------------

addEventListener(
  "submit",
  (event) => {
    const { target, submitter } = event;
    if (target !== form || !uploads.size || document.getElementById("secret")?.hidden === false) {
      return;
    }
    if (isBusy()) {
      event.preventDefault();
      event.stopImmediatePropagation();
      isSubmitting = { target, submitter };
      complaint.textContent = words.waiting;
    } else if (sendable().length < uploads.size) {
      event.preventDefault();
      event.stopImmediatePropagation();
      complaint.textContent = words.notAll;
    } else if (isStart) {
      form.elements.uploads.value = [...uploads.keys()].join(",");
    }
  },
  true,
);

choice?.addEventListener("change", showButton);

function showButton() {
  const { accept } = rules();
  button.hidden = !accept;
  picker.accept = accept === "*/*" ? "" : accept;
}

showButton();
Object.assign(form, { takeFiles: take, restoreFiles: restore });
for (const { id, name, size, file } of await kept.restored()) {
  start(new Upload({ id, agent: rules().agent, form: form.elements.id?.value, name, size, file, words }));
}
changed();
