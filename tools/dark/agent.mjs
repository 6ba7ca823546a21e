// The process that makes calls from inside a machine of the rig, because the test itself stands
// outside of it. Plain JavaScript, so that a machine is ready as soon as Node is. It ends with its
// standard input: a test that vanishes leaves no agent behind.
import { createInterface } from 'node:readline';
import { httpCall } from './http-call.mjs';
import { PacedCalls } from './paced-calls.mjs';

/**
 * @typedef {import('./protocol.ts').Order} Order
 * @typedef {import('./protocol.ts').Report} Report
 */

/** @type {Map<number, PacedCalls>} by the order that started it */
const paces = new Map();

/** @param {Order} order @returns {Promise<Report>} */
async function obey(order) {
  const { id } = order;
  switch (order.order) {
    case 'ask':
      return { id, outcome: await httpCall(order.call) };
    case 'start':
      paces.set(id, new PacedCalls(order.pace));
      return { id, attempts: [] };
    case 'attempts':
      return { id, attempts: paceOf(order.pace).attempts };
    case 'stop': {
      const pace = paceOf(order.pace);
      await pace.stop();
      return { id, attempts: pace.attempts };
    }
  }
}

/** @param {number} id */
function paceOf(id) {
  const pace = paces.get(id);
  if (!pace) throw new Error(`nothing was started by order ${id}`);
  return pace;
}

/** @param {Report} report */
const tell = (report) => process.stdout.write(`${JSON.stringify(report)}\n`);

const orders = createInterface({ input: process.stdin });
orders.on('line', (line) => {
  /** @type {Order} */
  const order = JSON.parse(line);
  obey(order).then(tell, (error) => tell({ id: order.id, error: String(error) }));
});
orders.on('close', () => process.exit(0));
