/*
 * Times in the user's time zone, which the server does not know, and the time left until a deadline.
 *
 * The user's clock may be wrong: deadlines follow the server's.
 */

const language = document.documentElement.lang;
const clock = { hour: "numeric", minute: "2-digit" };
const short = new Intl.DateTimeFormat(language, clock);
const withDay = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", ...clock });
const withYear = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", year: "numeric", ...clock });
const full = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(language);
const units = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]]; // with their length in seconds

/** How far the user's clock was ahead of the server's when the page loaded, in ms. */
const ahead = Date.now() - (Date.parse(document.querySelector("[data-now]")?.dataset.now) || Date.now());

/** Convert a time of the server's to ms of the user's clock; NaN if there is none. */
export function toLocalClock(at) {
  return Date.parse(at) + ahead;
}

/** Format every <time> in `root`: with the day unless it is today, with the year unless it is this year. */
export function renderTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([datetime=''])")) {
    const at = new Date(time.dateTime);
    const text = formatFor(at).format(at);
    time.title = full.format(at);
    if (time.textContent !== text) {
      time.textContent = text; // screen readers would read unchanged text again
    }
  }
}

function formatFor(at) {
  const now = new Date();
  if (at.toDateString() === now.toDateString()) {
    return short;
  }
  return at.getFullYear() === now.getFullYear() ? withDay : withYear;
}

/** The time left until `at` (in ms), as text ("in 5 minutes"); empty once it has passed. */
export function timeLeft(at) {
  const seconds = Math.ceil((at - (Date.now() - ahead)) / 1_000);
  if (seconds <= 0) {
    return "";
  }
  const [unit, size] = units.find(([, size]) => seconds >= 2 * size) ?? units.at(-1);
  return relative.format(Math.floor(seconds / size), unit);
}
