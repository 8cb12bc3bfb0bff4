/*
 * The form for a new chat, on the start page and in an embedded frame: its field, the choice of an agent, suggestions.
 *
 * Enter sends, Shift+Enter inserts a line break, as in a chat. The page stays until the chat exists, so a message that
 * could not be sent is still in its field. What is typed survives a reload. Without JavaScript the forms submit
 * themselves; either way the server makes one chat of what is sent twice.
 */

import { isSendKey, setCookie, setEnterHint } from "../common/browser.js";
import { post } from "../common/requests.js";
import { Drafts, takeTextOnly } from "./unsent.js";

const DRAFT = "message";
const FORM_ID = "form"; // kept with the draft: a message that was sent just before a reload is not sent twice

const start = document.getElementById("start");
let isSending = false;
let isLeaving = false;

if (start) {
  const field = document.getElementById("message");
  const drafts = new Drafts(`agentchat:${start.getAttribute("action")}`);
  field.value ||= drafts.get(DRAFT);
  setFormId(drafts.get(FORM_ID) || start.elements.id.value);
  setEnterHint(field);
  field.addEventListener("input", () => {
    drafts.set(DRAFT, field.value);
    drafts.set(FORM_ID, start.elements.id.value);
  });
  field.addEventListener("keydown", submitOnEnter);
  takeTextOnly(() => (document.getElementById("complaint").textContent = start.dataset.textOnly));
  if (window === window.top || document.hasFocus()) {
    field.focus(); // an iframe must not take the focus from the page around it
  }
  field.setSelectionRange(field.value.length, field.value.length);
  document.getElementById("agent")?.addEventListener("change", ({ target }) => choose(target.value));
  document.addEventListener("submit", (event) => {
    if (event.target.matches("[data-start]") && !isLeaving) {
      event.preventDefault();
      send(event.target, event.submitter, () => [DRAFT, FORM_ID].forEach((name) => drafts.set(name, "")));
    }
  });
}

if (document.querySelector("[data-sign-in]")) {
  // In a frame, signing in opens a tab of its own: when the user comes back, the frame looks again.
  document.addEventListener("visibilitychange", () => document.hidden || location.reload());
}

function submitOnEnter(event) {
  if (isSendKey(event)) {
    event.preventDefault();
    if (event.target.value.trim()) {
      start.requestSubmit();
    }
  }
}

/** Remember the agent for the next new chat, and show its suggestions first. */
function choose(name) {
  setCookie("agentchat_agent", name);
  for (const card of document.querySelectorAll(".agents > .agent")) {
    const isChosen = card.elements.agent.value === name;
    card.toggleAttribute("data-chosen", isChosen);
    if (isChosen) {
      card.parentElement.prepend(card);
    }
  }
}

function setFormId(id) {
  document.querySelectorAll("[data-start] [name=id]").forEach((field) => (field.value = id));
}

async function send(form, submitter, done) {
  if (isSending) {
    return;
  }
  const complaint = document.getElementById("complaint");
  complaint.textContent = "";
  isSending = true;
  start.toggleAttribute("data-sending", true);
  const { ok, result, isPage } = await post(form, submitter);
  if (ok) {
    done();
    location.assign(result.url);
    return;
  }
  if (isPage) {
    isLeaving = true; // the browser submits the form itself, and shows the page that the server replies with
    form.requestSubmit(submitter);
    return;
  }
  isSending = false;
  start.toggleAttribute("data-sending", false);
  complaint.textContent = result.error ?? start.dataset.failed;
}
