/* What somebody shared: times as the reader's clock shows them, and what can be copied. */

import { dressCode } from "./code.js";
import { offerCopies } from "./copy.js";
import { showTimes } from "./times.js";

const said = document.getElementById("said");

showTimes(document);
dressCode(document.getElementById("transcript") ?? document.body); // a site may have a block of its own
offerCopies((words) => (said.textContent = words), document.getElementById("words").dataset);
