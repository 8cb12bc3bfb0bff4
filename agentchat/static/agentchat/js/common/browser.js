/*
 * What browsers do not do by themselves, or not all alike: elements with properties, ids, cookies, the Enter key; and
 * the title of the tab, which has a notice in front of it while a chat waits for the user.
 */

const MAX_AGE_SECONDS = 365 * 24 * 60 * 60;
const phone = matchMedia("(hover: none) and (pointer: coarse)");

let title = document.title;
let notice = "";

export function createElement(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}

export function queryAllIn(elements, selector) {
  return elements.flatMap((element) => {
    const descendants = [...element.querySelectorAll(selector)];
    return element.matches(selector) ? [element, ...descendants] : descendants;
  });
}

/** An id for what the user sends. `crypto.randomUUID` needs a secure context, and a chat may run on a LAN without TLS. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** Keep a choice for a year, as the server does: sent only where the page itself was. Without a value, forget it. */
export function setCookie(name, value) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  const age = value ? MAX_AGE_SECONDS : 0;
  document.cookie = `${name}=${encodeURIComponent(value)}; path=/; max-age=${age}; samesite=lax${secure}`;
}

/** Enter sends on a keyboard; on a phone, which has no Shift+Enter, it inserts a line break. */
export function setEnterHint(field) {
  field.enterKeyHint = phone.matches ? "enter" : "send";
}

/** Whether this key sends the message. An Enter that ends an input method's composition does not. */
export function isSendKey(event) {
  const isPlain = event.key === "Enter" && !event.shiftKey && !isComposing(event);
  return isPlain && (!phone.matches || event.ctrlKey || event.metaKey);
}

export function isComposing({ isComposing, keyCode }) {
  return isComposing || keyCode === 229; // Safari reports a composition only by this code
}

/** Set the title; the notice stays. */
export function setTabTitle(text) {
  title = text;
  showTabTitle();
}

/** Set the notice; an empty one is removed. */
export function setTabNotice(text) {
  notice = text;
  showTabTitle();
}

function showTabTitle() {
  const text = notice ? `● ${notice} ${title}` : title;
  if (document.title !== text) {
    document.title = text;
  }
}
