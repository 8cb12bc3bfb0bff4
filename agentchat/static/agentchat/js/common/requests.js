/*
 * What pages ask the server for: themselves, as they are now, and what their forms do, without leaving the page.
 *
 * Who is signed in may change in another tab: the server is asked whether it still shows this page, and the page takes
 * over what depends on the account. The server's views reply to forms with JSON if they are asked for it. What is not
 * JSON is a page for the user: a sign-in, an error. A form is sent again with the token that is valid now.
 */

import { showToast } from "./toasts.js";

const FORBIDDEN = 403;
const RETRY_MS = 2_000;

let check = null;

/** Fetch this page as the server shows it now; null if it does not show it any more. Wait for a connection. */
export async function fetchPage(address = location.pathname) {
  for (;;) {
    try {
      const response = await fetch(address, { headers: { Accept: "text/html" } });
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
function adoptTokens(page) {
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

/**
 * Resolve to `{ok, result, isPage, status}`; `result` is what the server replied, and empty if it could not be reached.
 */
export async function post(form, submitter) {
  try {
    const reply = await submit(form, submitter);
    if (reply.status !== FORBIDDEN || !reply.isPage) {
      return reply;
    }
    const page = await fetchPage();
    const token = form.querySelector("[name=csrfmiddlewaretoken]");
    if (!page || !token) {
      return reply;
    }
    adoptTokens(page);
    token.value = page.querySelector("[name=csrfmiddlewaretoken]")?.value ?? token.value;
    return await submit(form, submitter);
  } catch {
    return { ok: false, result: {}, isPage: false, status: 0 };
  }
}

async function submit(form, submitter) {
  const response = await fetch(form.getAttribute("action"), {
    method: "POST",
    body: new URLSearchParams(new FormData(form, submitter)),
    headers: { Accept: "application/json" },
  });
  const isJson = response.headers.get("Content-Type")?.startsWith("application/json") ?? false;
  const result = isJson ? await response.json() : {};
  return { ok: response.ok && isJson, result, isPage: !isJson, status: response.redirected ? FORBIDDEN : response.status };
}
