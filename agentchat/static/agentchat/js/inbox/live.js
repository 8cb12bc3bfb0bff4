/*
 * The inbox, live: what the server renders of it now replaces its `data-live` elements when something in it has changed,
 * and once a minute, since ages grow. The arrow keys lead from one question to the next.
 */

import { setTabTitle } from "../common/browser.js";
import { fetchPage } from "../common/requests.js";

const inbox = document.getElementById("inbox");

async function refresh() {
  const page = await fetchPage(location.href);
  if (!page) {
    return; // signed out: the sidebar says so
  }
  const { id } = document.activeElement;
  for (const element of document.querySelectorAll("[data-live]")) {
    const now = page.getElementById(element.id);
    if (element.innerHTML !== now.innerHTML) {
      element.replaceChildren(...now.childNodes);
    }
  }
  document.getElementById(id)?.focus(); // it may be another element with this id
  document.getElementById("answer")?.toggleAttribute("disabled", !page.getElementById("answer")); // too late
  inbox.dataset.version = page.getElementById("inbox").dataset.version;
  setTabTitle(page.title);
}

addEventListener("inbox", ({ detail }) => detail === inbox.dataset.version || refresh());
setInterval(refresh, 60_000);
document.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const links = [...document.querySelectorAll(".inbox-list a")];
  const next = links[links.indexOf(document.activeElement) + step];
  if (next && document.activeElement.matches("body, main, .inbox-list a")) {
    event.preventDefault();
    next.focus();
  }
});
