/*
 * The chat page: makes the parts and lets them know of one another.
 *
 *   socket.js      frames in and out, and coming back after a lost connection
 *   frames.js      takes each fact once, and hands frames over once per picture
 *   transcript.js  frames become messages, tool calls, errors
 *   run.js         what the run is doing, as far as the facts say
 *   outbox.js      what was sent and is not in the transcript yet
 *   composer.js    where the person writes
 *   status.js      the connection and the run, in words
 *   scroll.js      stays at the end, unless the person reads elsewhere
 *   times.js       times as the reader's clock shows them
 *
 * The page comes with its whole transcript; what is here begins after the last fact in it.
 */

import { Composer } from "./composer.js";
import { Frames } from "./frames.js";
import { newId } from "./ids.js";
import { Outbox } from "./outbox.js";
import { Run } from "./run.js";
import { Scroll } from "./scroll.js";
import { Socket } from "./socket.js";
import { Status } from "./status.js";
import { showTimes } from "./times.js";
import { Transcript } from "./transcript.js";

const find = (id) => document.getElementById(id);
const chat = find("chat");

const scroll = new Scroll(find("jump"));
const transcript = new Transcript(find("transcript"), find("pending"));
const run = new Run(chat.dataset.state, find("question"));
const status = new Status(find("status"), find("countdown"), find("words").dataset);
const outbox = new Outbox(`agentchat:${chat.dataset.socket}`);
const composer = new Composer(find("composer"), { submit, skip, stop });
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
  transcript.take(frame);
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
  status.showRun(run.state);
  composer.showRun(run);
  find("working").hidden = !run.isBusy || transcript.isBusy;
}

function send(frame) {
  outbox.add(frame);
  showPending(frame);
  find("empty")?.remove();
  socket.send(frame);
  scroll.toEnd();
}

/** Messages show at once. An answer shows when the server shows it: it may be a secret. */
function showPending(frame) {
  if (frame.type === "send") {
    transcript.addPending(frame.id, frame.text);
  }
}

function submit(text, id = newId()) {
  if (run.request?.isPassword) {
    send({ type: "answer", id, request: run.request.id, value: text });
  } else if (text.trim()) {
    send({ type: "send", id, text });
  }
}

function skip() {
  if (run.request) {
    send({ type: "answer", id: newId(), request: run.request.id, value: "" });
  }
}

function stop() {
  if (run.isBusy) {
    socket.send({ type: "stop" });
  }
}

/** The server did not take it: the words go back to where they can be mended. */
function takeBack({ id, message }) {
  const frame = id && outbox.take(id);
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
outbox.frames().forEach(showPending);
composer.begin(submit);
showRun();
scroll.toEnd();
socket.open();
