// The process that makes every call of the SDK again and again from inside a machine of the rig,
// and holds watches, until it hears "stop" on its standard input; then it says what came of each,
// as one line of JSON. It runs the built SDK, as programs do.
//
//   node client-calls.mjs ENDPOINTS EVERY_MS
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastClient } from '@holdfast/client/holdfast-client';

/**
 * @typedef {import('./protocol.ts').ClientAttempt} ClientAttempt
 * @typedef {import('./protocol.ts').ClientReport} ClientReport
 */

const [endpoints = '', everyText = ''] = process.argv.slice(2);
const everyMs = Number(everyText);
/** Round robin gives each endpoint some of them. */
const watches = 8;
const watched = 'beat';
const beatMs = 100;

const client = new HoldfastClient({ endpoints: endpoints.split(',') });
const { kv, configs, leases, quotas, cluster, connections, breakers } = client;
const once = client.exactlyOnce();
const config = { namespace: 'dark', group: 'matrix', name: 'client.txt' };
const bytes = new TextEncoder().encode('value');
let leaseId = '';
let version = 0;
/** @type {Readonly<Record<string, (number: number) => Promise<unknown>>>} */
const calls = {
  'kv.put': (number) => kv.put(`client-${number}`, bytes),
  'kv.put, repeatable': (number) => kv.put(`client-${number}`, bytes, { mayRepeat: true }),
  'kv.put, exactly once': (number) => once.kv.put(`once-${number}`, bytes),
  'kv.get': () => kv.get('client-0'),
  'kv.get, stale': () => kv.get('client-0', { consistency: 'stale' }),
  'kv.list': () => kv.list({ prefix: 'client-', limit: 10 }),
  'kv.delete': (number) => kv.delete(`client-${number}`),
  'kv.txn': () => kv.txn({ success: [{ get: { key: 'client-0' } }] }),
  'kv.watch, until its first event': () => openWatch(),
  'configs.publish': (number) => configs.publish(config, new TextEncoder().encode(`${number}`)),
  'configs.get': () => configs.get(config),
  'configs.list': () => configs.list({ namespace: 'dark', group: 'matrix' }),
  'configs.history': () => configs.history(config),
  'configs.rollback': () => configs.rollback(config, version),
  'configs.delete': (number) => configs.delete({ ...config, name: `none-${number}` }),
  'leases.grant': () => leases.grant(10_000),
  'leases.keepAlive': () => leases.keepAlive(leaseId),
  'leases.timeToLive': () => leases.timeToLive(leaseId),
  'leases.list': () => leases.list({ limit: 10 }),
  'leases.revoke': (number) => leases.revoke(String(number + 1)),
  'quotas.list': () => quotas.list(),
  'quotas.set': () => quotas.set('configs/none', 1e12),
  'quotas.remove': () => quotas.remove('configs/none'),
  'cluster.view': () => cluster.view(),
  'cluster.recovery': () => cluster.recovery(),
  'cluster.diagnosis': () => cluster.diagnosis(),
  'cluster.isReady': () => cluster.isReady(),
  'connections.list': () => connections.list(),
  'connections.evict': () => connections.evict('nobody'),
  'breakers.list': () => breakers.list(),
  'breakers.reset': () => breakers.reset('nobody'),
};

/** @type {ClientAttempt[]} */
const attempts = [];
/** @type {number[][]} for each watch, when its events came */
const beats = [];
const stopped = new AbortController();
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;

/** Resolves with the first event, which its own beat brings at the latest. */
async function openWatch() {
  const stop = new AbortController();
  const events = kv.watch({ key: watched, signal: AbortSignal.any([stop.signal, stopped.signal]) });
  try {
    await events.next();
  } finally {
    stop.abort();
  }
}

async function beat() {
  for (let count = 0; !stopped.signal.aborted; count += 1) {
    void kv.put(watched, new TextEncoder().encode(String(count)), { mayRepeat: true }).catch(noted);
    await delay(beatMs);
  }
}

async function watch() {
  /** @type {number[]} */
  const own = [];
  beats.push(own);
  for await (const _ of kv.watch({ key: watched, signal: stopped.signal })) own.push(nowMs());
}

/** Each call says itself what became of it; that one failed is no reason to end. */
function noted() {
  return undefined;
}

/** @param {string} call @param {() => Promise<unknown>} deed */
async function attempt(call, deed) {
  const startedMs = nowMs();
  let result = 'ok';
  try {
    await deed();
  } catch (error) {
    // What still waits for its event when the run ends counts with the time that it took so far.
    const { code, outcome } = /** @type {{ code?: string, outcome?: string }} */ (error);
    result = `${code ?? String(error)}${outcome === 'unknown' ? ' (unknown)' : ''}`;
    if (stopped.signal.aborted && call.startsWith('kv.watch')) result = 'ok';
  }
  attempts.push({ call, startedMs, tookMs: nowMs() - startedMs, result });
}

/** The first of all calls, when no endpoint is known yet; made and recorded one by one. */
await attempt('first: leases.grant', async () => {
  leaseId = (await leases.grant(600_000)).id;
});
await attempt('first: configs.publish', () => configs.publish(config, bytes));
await attempt('first: configs.publish', async () => {
  const another = new TextEncoder().encode('another');
  version = (await configs.publish(config, another)).version;
});

/** @type {Set<Promise<void>>} */
const underWay = new Set();
async function callAll() {
  const all = Object.entries(calls);
  for (let number = 0; !stopped.signal.aborted; number += 1) {
    for (const [call, deed] of all) {
      const one = attempt(call, () => deed(number));
      underWay.add(one);
      void one.finally(() => underWay.delete(one));
      await delay(everyMs / all.length);
    }
  }
}

const watching = Array.from({ length: watches }, () => watch().catch(noted));
const running = [beat(), callAll(), ...watching];
process.stdout.write('ready\n');

async function end() {
  stopped.abort(new Error('enough'));
  await Promise.all([...running, ...underWay]);
  /** @type {ClientReport} */
  const report = { attempts, beats };
  process.stdout.write(`${JSON.stringify(report)}\n`);
  await client.close();
  process.exit(0);
}

const orders = createInterface({ input: process.stdin });
orders.once('line', () => void end());
orders.once('close', () => process.exit(0));
