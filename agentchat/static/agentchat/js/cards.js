/*
 * What a question's card says: what is asked, and what was answered. The same rules as `Request` in
 * `agentchat/transcript.py`. What a person does with a card is card.js's affair.
 */

import { showRows } from "./readable.js";

/** Which blank a request is shown with: a word of the person's has no card. */
export function asks({ kind, unsure, toolCallId }) {
  if (kind === "approval") {
    return unsure ? "unsure" : toolCallId ? "approval" : "limit";
  }
  return kind === "form" ? "form" : "text";
}

/** Fill a new card. `call` is the element of the tool call that it is about, if any. */
export function fillCard(card, { request, prompt, schema, initial, expiresAt }, call, words) {
  card.dataset.id = request;
  card.setAttribute("aria-labelledby", `card-${request}`);
  card.setAttribute("aria-describedby", `arguments-${request}`);
  card.querySelector(".card-question").id = `card-${request}`;
  card.querySelector("[data-arguments]").id = `arguments-${request}`;
  const body = card.querySelector("[data-body]");
  body.textContent = prompt;
  body.hidden = !prompt.trim();
  const values = call ? argumentsOf(call) : initial;
  if (call) {
    card.dataset.call = call.dataset.id;
    call.dataset.state = "held";
    card.querySelector("[data-tool]").textContent = call.querySelector("[data-tool]").textContent;
    showRows(card.querySelector("[data-arguments]"), values ?? {}, schema ?? {}, words);
  }
  keep(card, "schema", schema && JSON.stringify(schema));
  keep(card, "initial", values && JSON.stringify(values));
  keep(card, "expires", expiresAt);
}

/** Say on it what was answered. */
export function showAnswer(card, { value, by, expired }, words) {
  card.dataset.state = stateAfter(card.dataset.asks, value, expired);
  card.querySelectorAll("[data-by]").forEach((place) => (place.textContent = by));
  if (card.dataset.state === "rejected" && value.reason) {
    const reason = card.querySelector("[data-reason]");
    [reason.textContent, reason.hidden] = [value.reason, false];
  }
  const answer = { answered: value, changed: value?.arguments }[card.dataset.state];
  if (answer && typeof answer === "object") {
    showRows(card.querySelector("[data-answer]"), answer, JSON.parse(card.dataset.schema ?? "{}"), words);
  }
}

function stateAfter(asked, value, expired) {
  if (expired) {
    return "expired";
  }
  if (asked === "form") {
    return "answered";
  }
  if (value?.decision === "reject") {
    return "rejected";
  }
  return value?.arguments ? "changed" : "approved";
}

/** The arguments of a tool call, if what the model wrote is an object. */
export function argumentsOf(call) {
  try {
    const written = JSON.parse(call.querySelector("pre[data-args]").textContent);
    return written && typeof written === "object" && !Array.isArray(written) ? written : undefined;
  } catch {
    return undefined;
  }
}

function keep(element, name, value) {
  if (value) {
    element.dataset[name] = value;
  }
}
