/* The page of a shared chat: times in the reader's time zone, code headers, copy buttons. */

import { renderTimes } from "../common/times.js";
import { addCodeHeaders } from "./code_blocks.js";
import { enableCopyButtons } from "./copy.js";
import { showActionsOnTap } from "./taps.js";

const liveRegion = document.getElementById("said");

const log = document.getElementById("transcript") ?? document.body; // the site may have replaced the block

renderTimes(document);
addCodeHeaders(log);
showActionsOnTap(log);
enableCopyButtons((text) => (liveRegion.textContent = text), document.getElementById("words").dataset);
