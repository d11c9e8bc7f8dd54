// What all pages that watch share: the line that says whether they are connected, and the form for a key.

import { forgetKey, hasKey } from "./connection.js";
import { byId, setText } from "./dom.js";

const WORDS = { connecting: "Connecting …", connected: "Live", disconnected: "Disconnected", paused: "Paused" };

/**
 * @param {keyof typeof WORDS} status
 * @param {string} why
 */
export function showStatus(status, why) {
  const line = byId("status");
  line.dataset.status = status;
  const again = status === "disconnected" ? " Trying again." : "";
  setText(line, why ? `${WORDS[status]}: ${why}${again}` : WORDS[status]);
  byId("forget").hidden = !hasKey();
  if (status === "disconnected") document.body.dataset.stale = "";
  if (status === "connected") delete document.body.dataset.stale;
}

/**
 * Show the form until a key is entered.
 * @param {string} why
 * @returns {Promise<string>}
 */
export function askKey(why) {
  const form = /** @type {HTMLFormElement} */ (byId("key-form"));
  const input = /** @type {HTMLInputElement} */ (byId("key"));
  setText(byId("key-error"), why);
  showStatus("paused", "A key is needed.");
  form.hidden = false;
  byId("content").hidden = true;
  input.focus();
  return new Promise((done) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      const key = input.value.trim();
      if (!/^[\x21-\x7e]+$/.test(key)) {
        setText(byId("key-error"), "A key has printable characters only, and no spaces.");
        return;
      }
      input.value = "";
      form.hidden = true;
      byId("content").hidden = false;
      done(key);
    };
  });
}

byId("forget").addEventListener("click", () => {
  forgetKey();
  location.reload();
});
