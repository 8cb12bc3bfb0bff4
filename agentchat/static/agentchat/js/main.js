/*
 * The chat page: makes the parts and lets them know of one another.
 *
 *   socket.js      frames in and out, and coming back after a lost connection
 *   frames.js      takes each fact once, and hands frames over once per picture
 *   transcript.js  frames become messages, tool calls, questions, errors
 *   earlier.js     what was said before, when the person scrolls up
 *   wanted.js      the message that a link leads to
 *   nested.js      the chats within the chat: where it goes on, and what is folded
 *   actions.js     what a person does about a message: try again, edit, another version, a rating
 *   turning.js     shows another branch, when people turn to one
 *   questions.js   the cards that wait for an answer
 *   run.js         what the run is doing, as far as the facts say
 *   activity.js    the same in words, and for how long
 *   unread.js      which messages the agent has not read yet
 *   usage.js       what the models used, for those who may see it
 *   numbers.js     numbers as the server writes them
 *   outbox.js      what was sent and is not in the transcript yet
 *   drafts.js      what was typed and is not sent yet
 *   composer.js    where the person writes
 *   status.js      the connection and the run, in words
 *   scroll.js      stays at the end, unless the person reads elsewhere
 *   times.js       times as the reader's clock shows them
 *   code.js        code blocks with their language
 *   copy.js        buttons that copy
 *   fold.js        long texts, folded
 *   tab.js         what the tab is called
 *
 * The page comes with the last part of its transcript; what is here begins after the last fact in it.
 */

import { Actions } from "./actions.js";
import { Activity } from "./activity.js";
import { dressCode } from "./code.js";
import { Composer } from "./composer.js";
import { offerCopies } from "./copy.js";
import { Drafts } from "./drafts.js";
import { Earlier } from "./earlier.js";
import { offerToUnfold } from "./fold.js";
import { Frames } from "./frames.js";
import { newId } from "./ids.js";
import { Outbox } from "./outbox.js";
import { Questions } from "./questions.js";
import { Run } from "./run.js";
import { Scroll } from "./scroll.js";
import { Socket } from "./socket.js";
import { Status } from "./status.js";
import { nameTab } from "./tab.js";
import { serverTime, showTimes } from "./times.js";
import { Transcript } from "./transcript.js";
import { Turning } from "./turning.js";
import { Unread } from "./unread.js";
import { Usage } from "./usage.js";
import { showWanted } from "./wanted.js";

const find = (id) => document.getElementById(id);
const chat = find("chat");
const log = find("transcript");
const words = find("words").dataset;
const key = `agentchat:${chat.dataset.socket}`; // of what this tab keeps for this chat

const scroll = new Scroll(find("jump"), () => composer.focus());
const transcript = new Transcript(log, find("pending"), words);
const run = new Run(chat.dataset.state, find("question"), log);
const unread = new Unread(transcript);
const usage = new Usage(JSON.parse(chat.dataset.spent));
const status = new Status(find("status"), find("countdown"), find("said"), words);
const activity = new Activity([find("activity")], [find("elapsed"), find("took")], serverTime(chat.dataset.since), words);
const outbox = new Outbox(key);
const drafts = new Drafts(key);
const say = (said) => status.say(said);
const composer = new Composer(find("composer"), drafts, words, { submit, skip, stop, say });
const questions = new Questions(log, {
  send: (request, value, options) => send({ type: "answer", id: newId(), request, value }, options),
  drafts,
  words,
  mayFocus,
  opened: (element) => scroll.showStart(element),
  left: () => {
    composer.focus();
    scroll.toEnd();
  },
});
const turning = new Turning(log, { take, turned });
const actions = new Actions(log, {
  send: (frame) => socket.send(frame),
  drafts,
  words,
  mayAct: () => !run.isBusy,
  complain: (complaint) => composer.complain(complaint),
});
const frames = new Frames(Number(chat.dataset.seq), take, painted);
const earlier = new Earlier(log, words, (elements) => {
  elements.forEach(showTimes);
  transcript.adopt(elements);
  questions.adopt(elements);
});
const socket = new Socket(chat.dataset.socket, {
  after: () => frames.seq,
  opened: () => {
    run.isStopping = false; // it may have been lost with the connection: the person sees, and can say it again
    showRun();
    outbox.frames().forEach((frame) => socket.send(frame));
    actions.sendAgain();
  },
  received: (frame) => frames.add(frame),
  changed: (connection) => status.showConnection(connection),
});

/** One frame from the server, in order, just before the next picture. */
function take(frame) {
  if (frame.type === "rejected") {
    takeBack(frame);
    return;
  }
  if (turning.holds(frame)) {
    return;
  }
  if (frame.type === "TEXT_MESSAGE_START" && frame.role === "user") {
    outbox.arrived(frame.messageId);
    find("empty")?.remove();
  }
  if (frame.type === "INPUT_ANSWERED") {
    outbox.answered(frame.request);
  }
  const spent = usage.take(frame);
  if (spent) {
    transcript.addUsage(spent, frame);
  }
  transcript.take(frame);
  questions.take(frame);
  unread.take(frame, run);
  run.take(frame);
  if (frame.type === "TEXT_MESSAGE_END") {
    nameChat(frame);
  }
}

/** The transcript of another branch has taken the place of the one that was here. */
function turned(fetched) {
  const { state } = fetched.getElementById("chat").dataset;
  const [question, asked] = [find("question"), fetched.getElementById("question")];
  find("question-words").textContent = fetched.getElementById("question-words").textContent;
  question.dataset.request = asked.dataset.request;
  question.toggleAttribute("data-password", asked.dataset.password !== undefined);
  showTimes(log);
  transcript.begin();
  usage.begin(JSON.parse(fetched.getElementById("chat").dataset.spent));
  unread.begin();
  earlier.begin();
  run.begin(state, question, log);
  questions.begin();
  outbox.frames().filter((frame) => transcript.shows(frame)).forEach(({ id }) => {
    outbox.arrived(id);
    transcript.removePending(id);
  });
  status.say(actions.turned());
  if (document.activeElement === document.body) {
    composer.focus();
  }
  painted();
}

/** All frames that were there have been taken. */
function painted() {
  transcript.paint();
  showRun();
  scroll.follow();
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
  if (!run.canStop) {
    return;
  }
  if (!socket.send({ type: "stop" })) {
    composer.complain(words.notSent);
  } else if (run.isBusy) {
    run.isStopping = true;
    showRun();
  }
}

/** The server did not take it: the words go back to where they can be mended. */
function takeBack(rejected) {
  const { id, message } = rejected;
  if (actions.refuse(rejected)) {
    return;
  }
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
    const title = content.trim().replace(/\s+/g, " ").slice(0, 80);
    nameTab(title);
    for (const place of untitled) {
      place.textContent = title;
      delete place.dataset.untitled;
    }
  }
}

document.addEventListener("visibilitychange", () => document.hidden || showTimes(document)); // it may be another day

document.addEventListener("submit", (event) => {
  // A suggestion starts this chat; without JavaScript it would start another one.
  if (event.target.closest("#empty")) {
    event.preventDefault();
    submit(event.submitter.value);
  }
});

showTimes(document);
dressCode(log);
offerCopies(say, words);
offerToUnfold();
outbox.frames().filter((frame) => transcript.shows(frame)).forEach(({ id }) => outbox.arrived(id));
outbox.frames().forEach(showPending);
composer.begin(submit);
showRun();
scroll.toEnd();
if (mayFocus()) {
  questions.focusFirst();
}
if (questions.firstOpen) {
  scroll.showStart(questions.firstOpen);
}
showWanted(earlier, scroll, () => composer.isIdle || document.activeElement === document.body, words);
socket.open();
