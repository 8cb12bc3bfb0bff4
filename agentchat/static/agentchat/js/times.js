/* Times as the reader's own clock shows them. The server does not know in which zone the reader is. */

const language = document.documentElement.lang;
const short = new Intl.DateTimeFormat(language, { timeStyle: "short" });
const full = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "medium" });

/** Write every <time> in `root`. */
export function showTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([datetime=''])")) {
    const at = new Date(time.dateTime);
    time.textContent = short.format(at);
    time.title = full.format(at);
  }
}
