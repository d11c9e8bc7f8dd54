// The stream of events, read with fetch, for EventSource cannot send a key. It connects again by itself.

import { apply } from "./state.js";

const KEY = "dynasor-key";
const EVENTS = "/v1/dashboard/events";
const LONGEST_PAUSE_MS = 10_000;
const SILENT_MS = 60_000;
const LONGEST_EVENT = 16 * 1024 * 1024;

/** @returns {Record<string, string>} */
export function authorization() {
  const key = sessionStorage.getItem(KEY);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

export function hasKey() {
  return sessionStorage.getItem(KEY) !== null;
}

/** @param {string} key */
export function useKey(key) {
  sessionStorage.setItem(KEY, key);
}

export function forgetKey() {
  sessionStorage.removeItem(KEY);
}

/**
 * The events in a body, as they come.
 * @param {ReadableStream<Uint8Array>} body
 * @param {() => void} heard called for every piece, comments included
 * @returns {AsyncGenerator<any>}
 */
export async function* eventsOf(body, heard) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    heard();
    rest += decoder.decode(value, { stream: true });
    if (rest.length > LONGEST_EVENT) throw new Error("an event is too long");
    const events = rest.split("\n\n");
    rest = events.pop() ?? "";
    for (const event of events) {
      if (event.startsWith("data: ")) yield JSON.parse(event.slice("data: ".length));
    }
  }
}

/**
 * @typedef {object} Hearer
 * @property {(state: import("./state.js").State) => void} changed
 * @property {(status: "connecting" | "connected" | "disconnected" | "paused", why: string) => void} status
 * @property {(why: string) => Promise<string>} askKey
 * @property {(why: string) => void} refused the server will not tell, and asking again would not help
 */

/** Watches the server as long as the page can be seen. */
export class Connection {
  /**
   * @param {Record<string, string>} query
   * @param {Hearer} hearer
   */
  constructor(query, hearer) {
    this.path = `${EVENTS}?${new URLSearchParams(query)}`;
    this.hearer = hearer;
    /** The server's clock less ours, in seconds. */
    this.clockOffset = 0;
    this.model = "";
    /** @type {AbortController | null} */
    this.current = null;
    this.pauseMs = 0;
    /** @type {() => void} */
    this.wake = () => {};
    document.addEventListener("visibilitychange", () => this.onVisibility());
  }

  /** Seconds since 1970 on the server's clock. */
  get serverNow() {
    return Date.now() / 1000 + this.clockOffset;
  }

  onVisibility() {
    if (document.hidden) {
      this.current?.abort();
    } else {
      this.pauseMs = 0;
      this.wake();
    }
  }

  /** Runs until the page is left or the server refuses for good. */
  async run() {
    for (;;) {
      if (document.hidden) {
        this.hearer.status("paused", "The page is hidden.");
        await this.sleep(2 ** 30);
        continue;
      }
      this.hearer.status("connecting", "");
      const why = await this.once();
      if (why === null) return;
      if (document.hidden || why === "") continue;
      this.pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * this.pauseMs || 1000);
      this.hearer.status("disconnected", why);
      await this.sleep(this.pauseMs);
    }
  }

  /**
   * One connection, from its beginning to its end.
   * @returns {Promise<string | null>} why it ended; "": connect again at once; null: do not
   */
  async once() {
    const control = (this.current = new AbortController());
    let timer = setTimeout(() => control.abort(), SILENT_MS);
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => control.abort(), SILENT_MS);
    };
    try {
      const response = await fetch(this.path, {
        headers: authorization(),
        signal: control.signal,
        cache: "no-store",
        credentials: "omit",
      });
      if (!response.ok || response.body === null) return await this.refusal(response);
      await this.read(response.body, heard);
      return "The server closed the connection.";
    } catch {
      return "The server cannot be reached.";
    } finally {
      clearTimeout(timer);
      control.abort();
    }
  }

  /**
   * @param {ReadableStream<Uint8Array>} body
   * @param {() => void} heard
   */
  async read(body, heard) {
    /** @type {import("./state.js").State} */
    const state = new Map();
    for await (const news of eventsOf(body, heard)) {
      if (news.server_time !== undefined) {
        this.clockOffset = news.server_time - Date.now() / 1000;
        this.model = news.model;
        this.pauseMs = 0;
        this.hearer.status("connected", "");
      }
      apply(state, news);
      this.hearer.changed(state);
    }
  }

  /** @param {Response} response */
  async refusal(response) {
    const why = await messageOf(response);
    if (response.status === 401) {
      const wasGiven = hasKey();
      forgetKey();
      useKey(await this.hearer.askKey(wasGiven ? "The server does not know this key." : ""));
      return "";
    }
    if (response.status === 404) {
      this.hearer.refused(why);
      return null;
    }
    return why;
  }

  /** @param {number} ms */
  sleep(ms) {
    return /** @type {Promise<void>} */ (
      new Promise((done) => {
        const timer = setTimeout(done, ms);
        this.wake = () => {
          clearTimeout(timer);
          done();
        };
      })
    );
  }
}

/** @param {Response} response */
export async function messageOf(response) {
  try {
    return String((await response.json()).error.message);
  } catch {
    return `The server answered with status ${response.status}.`;
  }
}
