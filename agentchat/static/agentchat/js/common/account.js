/*
 * Who is signed in may change in another tab: the server is asked whether it still shows this page, and the page takes
 * over what depends on the account.
 */

import { showToast } from "./toasts.js";

const RETRY_MS = 2_000;

let check = null;

/** Fetch this page as the server shows it now; null if it does not show it any more. Wait for a connection. */
export async function fetchPage() {
  for (;;) {
    try {
      const response = await fetch(location.pathname, { headers: { Accept: "text/html" } });
      if (response.ok && !response.redirected) {
        const page = new DOMParser().parseFromString(await response.text(), "text/html");
        return Boolean(page.getElementById("chat")) === Boolean(document.getElementById("chat")) ? page : null;
      }
      if (response.status < 500) {
        return null; // signed out, or gone
      }
    } catch {
      // No connection: retry.
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** Resolve to whether this page is open to who is signed in now. Several callers share one answer. */
export function mayStay() {
  check ??= fetchPage()
    .then((page) => {
      if (page) {
        adoptAccount(page);
      }
      return Boolean(page);
    })
    .finally(() => (check = null));
  return check;
}

/** Signing in or out changes the token that forms are sent with. */
export function adoptTokens(page) {
  const selector = "[name=csrfmiddlewaretoken]";
  const { value } = page.querySelector(selector) ?? {};
  const templates = [...document.querySelectorAll("template")].map((template) => template.content);
  for (const root of value ? [document, ...templates] : []) {
    root.querySelectorAll(selector).forEach((field) => (field.value = value));
  }
}

function adoptAccount(page) {
  adoptTokens(page);
  const [before, now] = [document, page].map((each) => each.querySelector(".sidebar-account"));
  if (!before || !now || before.dataset.user === now.dataset.user) {
    return;
  }
  for (const id of ["notify", "show-shortcuts"]) {
    now.querySelector(`#${id}`)?.replaceWith(before.querySelector(`#${id}`) ?? ""); // scripts know these
  }
  before.replaceChildren(...now.childNodes);
  before.dataset.user = now.dataset.user;
  const { signedIn, signedOut, reload } = document.getElementById("list-words").dataset;
  const name = before.querySelector(".account-name")?.textContent ?? "";
  const text = now.dataset.user ? signedIn.replace("{name}", name) : signedOut;
  showToast(text, { label: reload, run: () => location.reload() });
}
