// `npm run bench:tls`: what TLS costs. Two clusters of three processes, one in clear text and one
// under mutual TLS, are loaded in turn by the same client; then connections are made as fast as one
// process can.
import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastClient } from '@holdfast/client/holdfast-client';
import { askByTls, CertifiedCluster } from '../../tests/support/certified-cluster.ts';
import { ProcessCluster } from '../../tests/support/process-cluster.ts';

const rounds = 3;
const roundMs = 4000;
const inFlight = 64;

type Load = { readonly perSecond: number; readonly p50Ms: number; readonly p99Ms: number };

async function load(client: HoldfastClient): Promise<Load> {
  const times: number[] = [];
  const endMs = performance.now() + roundMs;
  const value = Buffer.alloc(256, 'x');
  const worker = async (_: unknown, at: number): Promise<void> => {
    for (let n = 0; performance.now() < endMs; n += 1) {
      const startMs = performance.now();
      await client.kv.put(`key-${at}-${n % 100}`, value);
      times.push(performance.now() - startMs);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? Number.NaN;
  return { perSecond: (times.length * 1000) / roundMs, p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** New connections to one member, one question each. */
async function storm(ask: () => Promise<unknown>): Promise<number> {
  const count = 1000;
  let left = count;
  const startMs = performance.now();
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await ask();
    }
  };
  await Promise.all(Array.from({ length: 32 }, worker));
  return (count * 1000) / (performance.now() - startMs);
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

await using clear = await ProcessCluster.start(3);
await using certified = await CertifiedCluster.started(3);
await using plain = new HoldfastClient({ endpoints: [(await clear.leader()).place.client] });
await using asking = certified.newClient();
const { members } = await asking.cluster.view();
const leader = members.find(({ role }) => role === 'leader')?.name;
const first = certified.members.find(({ place }) => place.name === leader)?.place.client ?? '';
await using secure = certified.newClient([first]);
const loads: { readonly clear: Load[]; readonly tls: Load[] } = { clear: [], tls: [] };
await Promise.all([load(plain), load(secure)]);
for (let round = 0; round < rounds; round += 1) {
  loads.clear.push(await load(plain));
  await delay(500);
  loads.tls.push(await load(secure));
  await delay(500);
}
for (const [name, all] of Object.entries(loads)) {
  const of = (pick: (one: Load) => number): string => median(all.map(pick)).toFixed(1);
  process.stdout.write(
    `puts, ${inFlight} in flight, ${name}: ${of((one) => one.perSecond)} a second, ` +
      `p50 ${of((one) => one.p50Ms)} ms, p99 ${of((one) => one.p99Ms)} ms\n`,
  );
}
const bare = await storm(async () => {
  await (
    await fetch(`http://${clear.endpoints[0]}/livez`, { headers: { connection: 'close' } })
  ).text();
});
const shaken = await storm(() => askByTls(first, '/livez', certified.shown));
process.stdout.write(
  `new connections with one question each: ${bare.toFixed(0)} a second in clear text, ` +
    `${shaken.toFixed(0)} under mutual TLS\n`,
);
