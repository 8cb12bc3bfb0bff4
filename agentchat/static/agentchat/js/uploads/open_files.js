/*
 * Files of messages open in place: a click on one loads the script that shows it. The page has this script where its
 * agent takes files, or files are in the transcript.
 */

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-file]");
  if (link?.dataset.file && !(event.button || event.ctrlKey || event.metaKey || event.shiftKey)) {
    event.preventDefault();
    const { open } = await import("./viewer.js");
    open(link);
  }
});
