/*
 * Submits a form without leaving the page.
 *
 * The server's views reply with JSON if they are asked for it. What is not JSON is a page for the user: a sign-in, an
 * error. If somebody has signed in or out in another tab, the form is sent again with the token that is valid now.
 */

import { adoptTokens, fetchPage } from "./account.js";

const FORBIDDEN = 403;

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
