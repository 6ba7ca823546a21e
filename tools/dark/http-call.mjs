// One HTTP exchange with a deadline for all of it. It never rejects: what went wrong is an outcome.
import { request } from 'node:http';

/**
 * @typedef {import('./protocol.ts').Call} Call
 * @typedef {import('./protocol.ts').Outcome} Outcome
 */

/**
 * @param {Call} call
 * @param {import('node:http').Agent} [connections] kept ones; without, the call has one of its own
 * @returns {Promise<Outcome>}
 */
export function httpCall(call, connections) {
  const { method, url, headers, body = '', deadlineMs, onlyHead = false } = call;
  const startedMs = performance.now();
  const tookMs = () => performance.now() - startedMs;
  return new Promise((resolve) => {
    const exchange = request(url, { method, headers, agent: connections ?? false }, (answer) => {
      let text = '';
      const done = () => {
        clearTimeout(deadline);
        const { statusCode: status = 0, headers } = answer;
        resolve({ status, headers: plain(headers), body: text, tookMs: tookMs() });
      };
      answer.on('error', (error) => fail(error));
      if (onlyHead) {
        done();
        exchange.destroy();
        return;
      }
      answer.setEncoding('utf8');
      answer.on('data', (chunk) => {
        text += chunk;
      });
      answer.on('end', done);
    });
    const fail = (/** @type {NodeJS.ErrnoException} */ error) => {
      clearTimeout(deadline);
      resolve({ failure: error.code ?? error.message, tookMs: tookMs() });
    };
    const deadline = setTimeout(() => exchange.destroy(new Error('deadline')), deadlineMs);
    exchange.on('error', fail);
    exchange.end(body);
  });
}

/**
 * @param {import('node:http').IncomingHttpHeaders} headers
 * @returns {Record<string, string>}
 */
const plain = (headers) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
