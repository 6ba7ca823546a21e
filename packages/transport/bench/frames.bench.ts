// How fast frames travel between two members on loopback, both in this one process: throughput by
// batch, and the round trip of one. Run: npm run bench -w @holdfast/transport
import { SystemClock } from '@holdfast/base/system-clock';
import { frameKinds } from '../src/frame.ts';
import { ObservedNetwork } from '../src/observed-network.fixture.ts';
import { idOf, TestMember } from '../src/peer-mesh.fixture.ts';
import { TcpNetwork } from '../src/tcp-link.ts';

const clock = new SystemClock();
const network = new ObservedNetwork(new TcpNetwork());
const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** Counts what arrives, and can answer it. */
class Counter extends TestMember {
  count = 0;
  onCount: (count: number) => void = () => undefined;

  override onFrame(): void {
    this.count += 1;
    this.onCount(this.count);
  }
}

async function connectPair(): Promise<readonly [Counter, Counter]> {
  const options = { listenAddress: '127.0.0.1:0', peers: [] };
  const [near, far] = [1, 2].map((id) => new Counter(id, { network, clock }, options)) as [
    Counter,
    Counter,
  ];
  await near.start();
  await far.start();
  near.mesh.setPeers([{ memberId: idOf(2), address: far.mesh.address ?? '' }]);
  far.mesh.setPeers([{ memberId: idOf(1), address: near.mesh.address ?? '' }]);
  await Promise.all([near.connectedTo(2), far.connectedTo(1)]);
  return [near, far];
}

async function throughput(near: Counter, far: Counter, batch: number): Promise<void> {
  const total = 200_000;
  const payload = new Uint8Array(330);
  const arrived = new Promise<void>((resolve) => {
    const goal = far.count + total;
    far.onCount = (count) => {
      if (count === goal) resolve();
    };
  });
  const [startMs, cpu, sends] = [clock.monotonicMs(), process.cpuUsage(), network.sends];
  for (let sent = 0; sent < total; sent += batch) {
    for (let n = 0; n < batch; n += 1) {
      near.mesh.send(idOf(2), 'log', { kind: frameKinds.message, payload });
    }
    await new Promise<void>((resolve) => network.endOfTurn(resolve));
  }
  await arrived;
  const elapsedMs = clock.monotonicMs() - startMs;
  const { user, system } = process.cpuUsage(cpu);
  const perMessage = ((user + system) / total).toFixed(2);
  say(
    `batch ${String(batch).padStart(3)}: ${Math.round((total / elapsedMs) * 1000)} messages/s, ` +
      `${perMessage} µs CPU each (both ends), ${network.sends - sends} writes`,
  );
}

async function roundTrips(near: Counter, far: Counter): Promise<void> {
  const samples: number[] = [];
  const frame = { kind: frameKinds.message, payload: new Uint8Array(40) };
  far.onCount = () => far.mesh.send(idOf(1), 'control', frame);
  for (let n = 0; n < 5000; n += 1) {
    const startMs = clock.monotonicMs();
    await new Promise<void>((resolve) => {
      near.onCount = () => resolve();
      near.mesh.send(idOf(2), 'control', frame);
    });
    samples.push((clock.monotonicMs() - startMs) * 1000);
  }
  samples.sort((a, b) => a - b);
  const at = (fraction: number): string => (samples[samples.length * fraction] ?? 0).toFixed(0);
  say(`round trip: p50 ${at(0.5)} µs, p99 ${at(0.99)} µs`);
}

const [near, far] = await connectPair();
for (const batch of [1, 8, 64, 256, 64]) await throughput(near, far, batch);
await roundTrips(near, far);
await Promise.all([near.mesh.close(), far.mesh.close()]);
