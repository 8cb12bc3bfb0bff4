/*
 * The chat page: makes the parts and lets them know of one another.
 *
 *   socket.js      frames in and out, and coming back after a lost connection
 *   frames.js      takes each fact once, and hands frames over once per picture
 *   transcript.js  frames become messages, tool calls, questions, errors
 *   nested.js      the chats within the chat: where it goes on, and what is folded
 *   questions.js   the cards that wait for an answer
 *   run.js         what the run is doing, as far as the facts say
 *   outbox.js      what was sent and is not in the transcript yet
 *   drafts.js      what was typed and is not sent yet
 *   composer.js    where the person writes
 *   status.js      the connection and the run, in words
 *   scroll.js      stays at the end, unless the person reads elsewhere
 *   times.js       times as the reader's clock shows them
 *
 * The page comes with its whole transcript; what is here begins after the last fact in it.
 */

import { Composer } from "./composer.js";
import { Drafts } from "./drafts.js";
import { Frames } from "./frames.js";
import { newId } from "./ids.js";
import { Outbox } from "./outbox.js";
import { Questions } from "./questions.js";
import { Run } from "./run.js";
import { Scroll } from "./scroll.js";
import { Socket } from "./socket.js";
import { Status } from "./status.js";
import { showTimes } from "./times.js";
import { Transcript } from "./transcript.js";

const find = (id) => document.getElementById(id);
const chat = find("chat");
const log = find("transcript");
const words = find("words").dataset;
const key = `agentchat:${chat.dataset.socket}`; // of what this tab keeps for this chat

const scroll = new Scroll(find("jump"));
const transcript = new Transcript(log, find("pending"), words);
const run = new Run(chat.dataset.state, find("question"), log);
const status = new Status(find("status"), find("countdown"), words);
const outbox = new Outbox(key);
const drafts = new Drafts(key);
const composer = new Composer(find("composer"), drafts, { submit, skip, stop });
const questions = new Questions(log, {
  send: (request, value) => send({ type: "answer", id: newId(), request, value }),
  drafts,
  words,
  mayFocus,
  opened: (element) => scroll.showStart(element),
  left: () => {
    composer.focus();
    scroll.toEnd();
  },
});
const frames = new Frames(Number(chat.dataset.seq), take, painted);
const socket = new Socket(chat.dataset.socket, {
  after: () => frames.seq,
  opened: () => outbox.frames().forEach((frame) => socket.send(frame)),
  received: (frame) => frames.add(frame),
  changed: (connection) => status.showConnection(connection),
});

/** One frame from the server, in order, just before the next picture. */
function take(frame) {
  if (frame.type === "rejected") {
    takeBack(frame);
    return;
  }
  if (frame.type === "TEXT_MESSAGE_START" && frame.role === "user") {
    outbox.arrived(frame.messageId);
    find("empty")?.remove();
  }
  if (frame.type === "INPUT_ANSWERED") {
    outbox.answered(frame.request);
  }
  transcript.take(frame);
  questions.take(frame);
  run.take(frame);
  if (frame.type === "TEXT_MESSAGE_END") {
    nameChat(frame);
  }
}

/** All frames that were there have been taken. */
function painted() {
  transcript.paint();
  showRun();
  scroll.follow();
}

function showRun() {
  status.showRun(run);
  composer.showRun(run);
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

/** Messages show at once, and cards say that their answer is on its way. */
function showPending(frame) {
  if (frame.type === "send") {
    transcript.addPending(frame.id, frame.text);
  } else {
    questions.showSent(frame.request);
  }
}

function submit(text, id = newId()) {
  if (run.request?.isPassword) {
    send({ type: "answer", id, request: run.request.id, value: text }, { isSecret: true });
  } else if (text.trim()) {
    send({ type: "send", id, text });
  }
}

function skip() {
  if (run.request) {
    send({ type: "answer", id: newId(), request: run.request.id, value: "" });
  }
}

/** The person is at the end of the chat, and does nothing: they write nothing, or have just been done with a card. */
function mayFocus() {
  return scroll.follows && (composer.isIdle || document.activeElement?.matches('.card:not([data-state="open"])'));
}

function stop() {
  if (run.isBusy) {
    socket.send({ type: "stop" });
  }
}

/** The server did not take it: the words go back to where they can be mended. */
function takeBack(rejected) {
  const { id, message } = rejected;
  const frame = id && outbox.take(id);
  if (frame?.type === "answer" && questions.refuse(frame.request, rejected)) {
    return;
  }
  if (frame?.type === "send") {
    transcript.removePending(id);
    composer.takeBack(frame.text);
  }
  composer.complain(message);
}

/** A chat is called by its first message. The server says so when the page is loaded again. */
function nameChat({ messageId, content }) {
  const untitled = document.querySelectorAll("[data-untitled]");
  if (untitled.length && transcript.isFromPerson(messageId)) {
    find("agent-title").hidden = false;
    document.title = content.trim().replace(/\s+/g, " ").slice(0, 80);
    for (const place of untitled) {
      place.textContent = document.title;
      delete place.dataset.untitled;
    }
  }
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-retry]")) {
    submit(transcript.lastWords());
  }
});

document.addEventListener("submit", (event) => {
  // A suggestion starts this chat; without JavaScript it would start another one.
  if (event.target.closest("#empty")) {
    event.preventDefault();
    submit(event.submitter.value);
  }
});

showTimes(document);
outbox.frames().filter((frame) => transcript.shows(frame)).forEach(({ id }) => outbox.arrived(id));
outbox.frames().forEach(showPending);
composer.begin(submit);
showRun();
scroll.toEnd();
if (questions.firstOpen) {
  scroll.showStart(questions.firstOpen);
}
socket.open();
