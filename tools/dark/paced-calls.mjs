// Calls at a steady pace, each with its start, its time and what became of it. The schedule is the
// clock's: when this process was held up, it sends at once what has fallen due.
import { Agent } from 'node:http';
import { httpCall } from './http-call.mjs';

/**
 * @typedef {import('./protocol.ts').Attempt} Attempt
 * @typedef {import('./protocol.ts').Call} Call
 */

export class PacedCalls {
  /** @type {readonly Call[]} */
  #calls;
  /** @type {number} */
  #everyMs;
  #connections = new Agent({ keepAlive: true });
  /** @type {Attempt[]} */
  #attempts = [];
  /** @type {Set<Promise<void>>} */
  #underWay = new Set();
  #startedMs = performance.now();
  #sent = 0;
  /** @type {NodeJS.Timeout} */
  #timer;

  /** @param {import('./protocol.ts').Pace} pace */
  constructor({ calls, perSecond }) {
    this.#calls = calls;
    this.#everyMs = 1000 / perSecond;
    this.#timer = setInterval(() => this.#sendDue(), Math.min(10, this.#everyMs));
  }

  /** @returns {readonly Attempt[]} answered ones, in the order of their answers */
  get attempts() {
    return this.#attempts;
  }

  async stop() {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
    this.#connections.destroy();
  }

  #sendDue() {
    const due = Math.floor((performance.now() - this.#startedMs) / this.#everyMs);
    while (this.#sent < due) {
      const attempt = this.#attempt(this.#sent);
      this.#sent += 1;
      this.#underWay.add(attempt);
      void attempt.finally(() => this.#underWay.delete(attempt));
    }
  }

  /** @param {number} number */
  async #attempt(number) {
    const call = number % this.#calls.length;
    const { url, body = '', ...rest } = /** @type {Call} */ (this.#calls[call]);
    const numbered = { ...rest, url: fill(url, number), body: fill(body, number) };
    const startedMs = Number(process.hrtime.bigint()) / 1e6;
    const outcome = await httpCall(numbered, this.#connections);
    const { tookMs } = outcome;
    const common = { call, number, startedMs, tookMs };
    if ('failure' in outcome) this.#attempts.push({ ...common, result: outcome.failure });
    else if (outcome.status < 400) this.#attempts.push({ ...common, result: outcome.status });
    else this.#attempts.push({ ...common, result: outcome.status, body: outcome.body });
  }
}

/** @param {string} text @param {number} number */
const fill = (text, number) => text.replaceAll('{n}', String(number));
