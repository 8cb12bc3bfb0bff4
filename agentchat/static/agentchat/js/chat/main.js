/*
 * The chat page: creates its parts and connects them. This folder is the page around the transcript:
 *
 *   socket.js         sends and receives frames, and reconnects
 *   frames.js         the queue of received frames
 *   outbox.js         what was sent and has not arrived yet, and what became of it
 *   run_state.js      the state of the run
 *   status.js         what the page says of the connection and the run
 *   composer.js       the message field and its buttons
 *   unsent.js         drafts; files are not taken, but by js/uploads/ where the agent takes some
 *   history.js        older parts of the transcript
 *   branch_switch.js  switching to another branch
 *   deep_link.js      links to a message
 *   scroll.js         automatic scrolling
 *
 * transcript/ shows what was said: transcript.js what the server renders of each event, fragments.js how that changes
 * the page, live_message.js a message while it is being written, message_actions.js the actions on messages;
 * code_blocks.js, copy.js and taps.js are details of them. forms/ has the cards: questions.js the open ones,
 * card.js one of them; fields.js, controls.js and schema.js are forms made from a JSON schema. common/ has what several
 * of them use.
 *
 * The page comes with the last part of its transcript; the scripts continue after its last event.
 */

import { newId, setTabTitle } from "../common/browser.js";
import { mayStay } from "../common/requests.js";
import { renderTimes, toLocalClock } from "../common/times.js";
import { Questions } from "../forms/questions.js";
import { addCodeHeaders } from "../transcript/code_blocks.js";
import { enableCopyButtons } from "../transcript/copy.js";
import { MessageActions } from "../transcript/message_actions.js";
import { enableExpandButtons } from "../transcript/taps.js";
import { Transcript } from "../transcript/transcript.js";
import { BranchSwitch } from "./branch_switch.js";
import { Composer } from "./composer.js";
import { openDeepLink } from "./deep_link.js";
import { FrameQueue } from "./frames.js";
import { ChatHistory } from "./history.js";
import { Outbox, PendingMessages } from "./outbox.js";
import { RunState } from "./run_state.js";
import { AutoScroll } from "./scroll.js";
import { Socket } from "./socket.js";
import { Activity, Status, TroubleBanner } from "./status.js";
import { Drafts, takeTextOnly } from "./unsent.js";

const UNKNOWN_OUTCOME = ["unavailable", "error"]; // the server may have saved the frame

const find = (id) => document.getElementById(id);
const chat = find("chat");
const log = find("transcript");
const strings = find("words").dataset;
const storageKey = `agentchat:${chat.dataset.socket}`; // what this tab stores for this chat
const startedAt = toLocalClock(chat.dataset.since);

const scroll = new AutoScroll(log, find("jump"), () => composer.focus());
const transcript = new Transcript(log, find("pending"));
const run = new RunState(chat.dataset.state, find("question"), log);
const status = new Status(find("status"), find("said"), strings);
const activity = new Activity([find("activity")], [find("elapsed"), find("took")], startedAt, strings);
const outbox = new Outbox(storageKey);
const drafts = new Drafts(storageKey);
const pending = new PendingMessages(find("pending"), { resend, discard });
const trouble = new TroubleBanner(find("trouble"), strings, () => socket.openNow());
const announce = (text) => status.announce(text);
const composer = new Composer(find("composer"), drafts, strings, { submit, skip, stop, announce });
const questions = new Questions(log, {
  send: (request, value, options) => send({ type: "answer", id: newId(), request, value }, options),
  drafts,
  strings,
  mayFocus,
  opened: (element) => scroll.showStart(element),
  closed: () => {
    composer.focus();
    scroll.toEnd();
  },
});
const branchSwitch = new BranchSwitch(log, { apply, switched, render });
const actions = new MessageActions(log, {
  send: (frame) => socket.send(frame),
  drafts,
  strings,
  mayAct: () => !run.isBusy,
  say: submit,
  showError: (text) => composer.showError(text),
});
const frames = new FrameQueue(Number(chat.dataset.seq), apply, render);
const chatHistory = new ChatHistory(log, strings, (elements) => {
  elements.forEach(renderTimes);
  transcript.adopt(elements);
  questions.adopt(elements);
});
const socket = new Socket(chat.dataset.socket, {
  after: () => frames.seq,
  html: true,
  opened: () => {
    run.isStopping = false; // the stop may have been lost with the connection: the user sees that, and can repeat it
    showRun();
    outbox.frames().forEach((frame) => socket.send(frame));
    actions.resend();
  },
  received: (frame) => frames.add(frame),
  changed: showConnection,
  mayReturn: mayStay,
});

function showConnection(connection) {
  const isOver = ["signed-out", "gone"].includes(connection.state);
  status.showConnection(connection);
  trouble.show(connection);
  pending.showConnection(connection.state === "live");
  composer.close(isOver);
  chat.toggleAttribute("data-over", isOver); // nothing can be done any more
  if (isOver) {
    actions.abandon();
  }
  log.querySelectorAll('.card[data-state="open"] [data-controls]').forEach((controls) => (controls.disabled = isOver));
  scroll.follow();
}

/** Apply a frame from the server; called in order, within an animation frame. */
function apply(frame) {
  if (frame.type === "rejected") {
    rollBack(frame);
    return;
  }
  if (branchSwitch.intercepts(frame)) {
    return;
  }
  if (frame.type === "TEXT_MESSAGE_START") {
    outbox.remove(frame.messageId);
    pending.settle(frame.messageId);
    find("empty")?.remove();
  }
  if (frame.type === "INPUT_ANSWERED") {
    outbox.removeAnswers(frame.request);
  }
  transcript.apply(frame);
  questions.apply(frame);
  run.apply(frame);
  if (frame.type === "TEXT_MESSAGE_END") {
    nameChat(frame);
  }
}

/** The transcript of another branch, from the fetched page, has replaced the previous one. */
function switched(page) {
  const { state } = page.getElementById("chat").dataset;
  const [question, newQuestion] = [find("question"), page.getElementById("question")];
  find("question-words").textContent = page.getElementById("question-words").textContent;
  question.dataset.request = newQuestion.dataset.request;
  question.toggleAttribute("data-password", newQuestion.dataset.password !== undefined);
  renderTimes(log);
  transcript.reset();
  chatHistory.reset();
  run.reset(state, question, log);
  questions.reset();
  outbox.frames().filter((frame) => transcript.shows(frame)).forEach(({ id }) => {
    outbox.remove(id);
    transcript.removePending(id);
  });
  announce(actions.switched());
  if (document.activeElement === document.body) {
    composer.focus();
  }
  render();
}

/** A batch of frames has been applied. Return whether there is more to show in the next animation frame. */
function render() {
  const isUnfinished = transcript.render();
  showRun();
  scroll.follow();
  return isUnfinished;
}

function showRun() {
  status.showRun(run, activity.show(run, transcript.work));
  composer.showRun(run);
  chat.toggleAttribute("data-busy", run.isBusy);
  find("working").hidden = !run.isBusy || transcript.isBusy;
}

function send(frame, options) {
  outbox.add(frame, options);
  showPending(frame);
  find("empty")?.remove();
  socket.send(frame);
  if (frame.type === "send") {
    scroll.toEnd();
  }
}

/** Show a message at once, or on a card that its answer is on its way. */
function showPending(frame) {
  if (frame.type === "send") {
    transcript.addPending(frame.id, frame.text);
    pending.added();
  } else {
    questions.showSent(frame.request);
  }
}

/** Send a message again that was not sent; without a connection, all are when there is one. */
function resend(id) {
  const frame = outbox.get(id);
  if (frame && !socket.send(frame)) {
    socket.openNow();
  }
}

/** Do not send a message after all. */
function discard(id) {
  outbox.remove(id);
  transcript.removePending(id);
  composer.focus();
}

function submit(text, files) {
  if (run.request?.isPassword) {
    send({ type: "answer", id: newId(), request: run.request.id, value: text }, { isSecret: true });
  } else {
    send({ type: "send", id: newId(), text, files });
  }
}

function skip() {
  if (run.request) {
    send({ type: "answer", id: newId(), request: run.request.id, value: "" });
  }
}

/** The user is at the end of the chat and idle: has typed nothing, or has just answered a card. */
function mayFocus() {
  return scroll.follows && (composer.isIdle || document.activeElement?.matches('.card:not([data-state="open"])'));
}

function stop() {
  if (!run.canStop) {
    return;
  }
  if (!socket.send({ type: "stop" })) {
    composer.showError(strings.notSent);
  } else if (run.isBusy) {
    run.isStopping = true;
    showRun();
  }
}

/** The server rejected a frame: put its input back where the user can correct it. */
function rollBack(rejection) {
  const { code, message } = rejection;
  const id = rejection.id ?? (code === "too_large" ? largest([...outbox.frames(), ...actions.frames()])?.id : null);
  if (actions.reject({ ...rejection, id })) {
    return;
  }
  if (outbox.get(id)?.type === "send" && UNKNOWN_OUTCOME.includes(code)) {
    pending.fail(id); // sent again with its id, it counts once
    composer.showError(message);
    return;
  }
  const frame = id && outbox.take(id);
  if (frame?.type === "answer" && questions.reject(frame.request, rejection)) {
    return;
  }
  if (frame?.type === "send") {
    pending.settle(id);
    transcript.removePending(id);
    composer.restore(frame);
  }
  composer.showError(message);
}

/** What was too large to be read, even for its id. */
function largest(frames) {
  const size = (frame) => JSON.stringify(frame).length;
  return frames.sort((one, other) => size(other) - size(one))[0];
}

/** The first message is the title of an untitled chat, as the server will have it after a reload. */
function nameChat({ messageId, content }) {
  const untitled = document.querySelectorAll("[data-untitled]");
  if (untitled.length && transcript.isFromUser(messageId)) {
    find("agent-title").hidden = false;
    const title = content.trim().replace(/\s+/g, " ").slice(0, 80);
    setTabTitle(title);
    for (const heading of untitled) {
      heading.textContent = title;
      delete heading.dataset.untitled;
    }
  }
}

/** The dock covers the end of the window: what is scrolled into view must stay clear of it. */
function fitDock() {
  const height = `${find("dock").offsetHeight}px`;
  document.documentElement.style.setProperty("--covered", height);
  [find("dock"), find("toasts")].forEach((element) => element?.style.setProperty("--dock", height));
  scroll.follow();
}

document.addEventListener("visibilitychange", () => document.hidden || renderTimes(document)); // maybe on another day

document.addEventListener("submit", (event) => {
  // A suggestion starts this chat; without JavaScript it would start a new one.
  if (event.target.closest("#empty")) {
    event.preventDefault();
    submit(event.submitter.value);
  }
});

find("unloaded")?.remove();
takeTextOnly(() => composer.showError(strings.textOnly));
new ResizeObserver(() => fitDock()).observe(find("dock"));
renderTimes(document);
addCodeHeaders(log);
enableCopyButtons(announce, strings);
enableExpandButtons();
outbox.frames().filter((frame) => transcript.shows(frame)).forEach(({ id }) => outbox.remove(id));
outbox.frames().forEach(showPending);
composer.begin();
showRun();
scroll.toEnd();
if (mayFocus()) {
  questions.focusFirst();
}
if (questions.firstOpen) {
  scroll.showStart(questions.firstOpen);
}
openDeepLink(chatHistory, scroll, () => composer.isIdle || document.activeElement === document.body, strings);
socket.open();
