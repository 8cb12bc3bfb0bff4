/*
 * Files are not taken, and the user is told: a browser would leave the page for a file that is dropped on it, and say
 * nothing about an image that is pasted.
 */

/** `refuse()` is called when the user drops or pastes something other than text. */
export function takeTextOnly(refuse) {
  const isField = (target) => target.matches("textarea, input");
  const hasFiles = ({ types }) => types.includes("Files");
  for (const type of ["dragover", "drop"]) {
    addEventListener(type, (event) => {
      if (hasFiles(event.dataTransfer)) {
        event.preventDefault();
      } else if (!isField(event.target)) {
        event.preventDefault(); // a link that is dropped beside the field would be followed, too
        event.dataTransfer.dropEffect = "none";
      }
    });
  }
  addEventListener("drop", ({ dataTransfer }) => hasFiles(dataTransfer) && refuse());
  addEventListener("paste", ({ clipboardData, target }) => {
    if (isField(target) && hasFiles(clipboardData) && !clipboardData.types.includes("text/plain")) {
      refuse();
    }
  });
}
