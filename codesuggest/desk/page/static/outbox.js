// What the person did, on its way to the server: in order, one at a time, again and again until it arrives. Each item keeps its
// event_id, so one that arrived although the answer was lost counts once. It lives in memory only: nothing of a chart is stored here.

import { ApiError, Unreachable, renewSession } from "./session.js";

export class Outbox {
  /** @param {{onState: (state: {waiting, offline, signedOut, savedAt}) => void}} listener */
  constructor({ onState }) {
    this.onState = onState;
    this.items = [];
    this.busy = false;
    this.offline = false;
    this.signedOut = false;
    this.tries = 0;
    this.timer = 0;
    this.savedAt = null;
    addEventListener("online", () => this.wake());
    addEventListener("focus", () => this.wake());
    addEventListener("beforeunload", (event) => { if (this.items.length) event.preventDefault(); });
  }

  get waiting() {
    return this.items.length;
  }

  /**
   * @param {{send: () => Promise, done: (answer) => void, refused: (error) => void, replaces?: string}} item
   * An item that `replaces` a name takes the place of a waiting one of that name that stands last.
   */
  add(item) {
    const last = this.items.at(-1);
    if (item.replaces && last?.replaces === item.replaces && !last.sending) this.items.pop();
    this.items.push(item);
    this.#tell();
    this.#run();
  }

  /** Forget what waits: the chart is in other hands. */
  clear() {
    this.items.splice(this.busy ? 1 : 0);
    this.#tell();
  }

  /** Try again at once instead of after the pause. */
  wake() {
    if (!this.timer) return;
    clearTimeout(this.timer);
    this.#resume();
  }

  #resume() {
    this.timer = 0;
    this.busy = false;
    this.#run();
  }

  /** Resolves when nothing waits any more. */
  settled() {
    return this.items.length ? new Promise((resolve) => { (this.waiters ??= []).push(resolve); }) : Promise.resolve();
  }

  async #run() {
    if (this.busy) return;
    this.busy = true;
    while (this.items.length) {
      const item = this.items[0];
      item.sending = true;
      let answer;
      try {
        answer = await item.send();
      } catch (error) {
        if (await this.#waits(error, item)) return;
        this.items.shift();
        item.refused(error);
        this.#tell();
        continue;
      }
      this.items.shift();
      this.offline = false;
      this.signedOut = false;
      this.tries = 0;
      this.savedAt = new Date();
      item.done(answer);
      this.#tell();
    }
    this.busy = false;
    for (const resolve of this.waiters?.splice(0) ?? []) resolve();
  }

  /** Whether the item stays in the queue, to be tried again. */
  async #waits(error, item) {
    const again = (seconds) => {
      item.sending = false;
      this.tries += 1;
      this.timer = setTimeout(() => this.#resume(), seconds * 1000);
      this.#tell();
      return true;
    };
    if (error instanceof Unreachable) {
      this.offline = true;
      return again(Math.min(10, 0.5 * 2 ** Math.min(this.tries, 5)));
    }
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) {
      this.signedOut = true;
      await renewSession().catch(() => {});
      return again(5);
    }
    if (error.status === 403 && error.id === "CS603" && (item.tokens = (item.tokens ?? 0) + 1) < 3) {
      await renewSession().catch(() => {});
      return again(0.2);
    }
    if (error.status === 429) return again(error.retryAfter || 2);
    if (error.status === 500 && (item.failures = (item.failures ?? 0) + 1) < 4) return again(1);
    return false;
  }

  #tell() {
    this.onState({ waiting: this.items.length, offline: this.offline, signedOut: this.signedOut, savedAt: this.savedAt });
  }
}
