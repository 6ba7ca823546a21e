// `npm run bench:links`: what the links to peers cost: the gate that each call passes, a
// look of the checker at 100 links, and the memory of a link. One process, no sockets: the
// production classes on the memory network, and the processor's own time.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { clusterId, memberId, storeId } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { CircuitBreaker, defaultBreakerSettings } from '@holdfast/transport/circuit-breaker';
import { ConnectionChecker } from '@holdfast/transport/connection-checker';
import { newLinkHealth, withSuccess } from '@holdfast/transport/link-health';
import { defaultCheckerSettings, type LinkRecord } from '@holdfast/transport/link-record';
import { MemoryNetwork } from '@holdfast/transport/memory-link';
import { PeerMesh } from '@holdfast/transport/peer-mesh';

type Row = { readonly what: string; readonly value: string; readonly asked: string };

const links = 100;

/** Nanoseconds of one admit and its word, sorted. */
function measureGate(): readonly number[] {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({
    clock,
    settings: () => defaultBreakerSettings,
    onChange: () => undefined,
  });
  const calls = 300_000;
  const times: number[] = [];
  for (let n = 0; n < calls; n += 1) {
    const startNs = process.hrtime.bigint();
    breaker.admit()?.succeeded();
    times.push(Number(process.hrtime.bigint() - startNs));
  }
  // The first third warms up.
  return times.slice(calls / 3).sort((a, b) => a - b);
}

/** Processor milliseconds of one look at 100 links. */
function measureLook(): number {
  const clock = new ManualClock();
  const health = withSuccess(newLinkHealth('10.0.0.2:4654'), 0);
  const record: LinkRecord = { purpose: 'control', health, openSinceMs: 0, lastUseMs: 0 };
  const watched = Array.from({ length: links }, () => ({
    record,
    ping: () => undefined,
    evict: () => undefined,
  }));
  const checker = new ConnectionChecker({
    clock,
    settings: () => ({ ...defaultCheckerSettings, staleMs: Number.POSITIVE_INFINITY }),
    ownLagMs: () => 250,
    pingWaitMs: () => 1000,
    links: () => watched,
  });
  checker.start();
  const looks = 2000;
  const before = process.cpuUsage();
  clock.advance(looks * defaultCheckerSettings.checkMs);
  const { user, system } = process.cpuUsage(before);
  checker.close();
  return (user + system) / 1000 / looks;
}

/** Bytes of the heap that one link takes, its record and breaker included, before it is dialled. */
function measureMemory(): number {
  const peers = 2000;
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const clock = new ManualClock();
  const network = new MemoryNetwork(clock).host('h1');
  const addresses = Array.from({ length: peers }, (_, at) => ({
    memberId: memberId(BigInt(at + 2)),
    address: `h${at + 2}:4654`,
  }));
  const identity = {
    ...{ clusterId: clusterId(1n), memberId: memberId(1n), storeId: storeId(1n) },
    ...{ bootEpoch: 1, name: 'n1' },
  };
  const options = { network, clock, random: new SeededRandom(1), identity };
  collect();
  const before = process.memoryUsage().heapUsed;
  const mesh = new PeerMesh({ ...options, listenAddress: 'h1:4654', peers: addresses });
  collect();
  const bytes = process.memoryUsage().heapUsed - before;
  // Control and log: two links a peer.
  return mesh.status.peers.length === peers ? bytes / (peers * 2) : Number.NaN;
}

function main(): void {
  const gate = measureGate();
  const at = (share: number): number => (gate[Math.floor(gate.length * share)] ?? 0) / 1000;
  const lookMs = measureLook();
  const share = lookMs / defaultCheckerSettings.checkMs;
  const rows: readonly Row[] = [
    {
      what: 'the gate of a call, p50 and p99',
      value: `${at(0.5).toFixed(2)} and ${at(0.99).toFixed(2)} µs`,
      asked: '20 µs',
    },
    {
      what: `the checker, ${links} links, of a core`,
      value: `${(share * 100).toFixed(5)} % (${(lookMs * 1000).toFixed(0)} µs a look)`,
      asked: '0.1 %',
    },
    {
      what: 'memory of a link',
      value: `${Math.round(measureMemory())} bytes`,
      asked: '1,024 bytes',
    },
  ];
  const lines = rows.map(({ what, value, asked }) => `| ${what} | ${value} | ${asked} |`);
  process.stdout.write(
    `| what | measured | asked for: less than |\n|---|---|---|\n${lines.join('\n')}\n`,
  );
}

main();
