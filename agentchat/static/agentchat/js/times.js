/*
 * Times as the reader's own clock shows them, and how long it is until then. The server does not know in which zone the
 * reader is, and the reader's clock may be wrong: what ends, ends by the server's.
 */

const language = document.documentElement.lang;
const clock = { hour: "numeric", minute: "2-digit" };
const short = new Intl.DateTimeFormat(language, clock);
const withDay = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", ...clock });
const withYear = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", year: "numeric", ...clock });
const full = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(language);
const units = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]]; // and their seconds

/** How far the reader's clock is ahead of the server's, in ms, as the page came. */
const ahead = Date.now() - (Date.parse(document.querySelector("[data-now]")?.dataset.now) || Date.now());

/** A time of the server's, in ms of the reader's clock; NaN for none. */
export function serverTime(at) {
  return Date.parse(at) + ahead;
}

/** Write every <time> in `root`: with its day unless that is today, with its year unless it is this one. */
export function showTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([datetime=''])")) {
    const at = new Date(time.dateTime);
    const text = formatOf(at).format(at);
    time.title = full.format(at);
    if (time.textContent !== text) {
      time.textContent = text; // what is the same is not read aloud again
    }
  }
}

function formatOf(at) {
  const now = new Date();
  if (at.toDateString() === now.toDateString()) {
    return short;
  }
  return at.getFullYear() === now.getFullYear() ? withDay : withYear;
}

/** How long it is until then, in words ("in 5 minutes"); nothing when it is over. `at` is in ms. */
export function timeLeft(at) {
  const seconds = Math.ceil((at - (Date.now() - ahead)) / 1_000);
  if (seconds <= 0) {
    return "";
  }
  const [unit, size] = units.find(([, size]) => seconds >= 2 * size) ?? units.at(-1);
  return relative.format(Math.floor(seconds / size), unit);
}
