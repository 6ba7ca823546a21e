// Goal: sockets and their memory twin cannot be told apart by who uses them. Method: one contract
// on both; then the faults that only the twin can show at will.
import { ManualClock } from '@holdfast/base/manual-clock';
import { SystemClock } from '@holdfast/base/system-clock';
import { describe, expect, it } from 'vitest';
import { formatAddress, parseAddress } from './address.ts';
import { linkContract } from './link.contract.ts';
import type { Link, LinkEnd } from './link.ts';
import { MemoryNetwork } from './memory-link.ts';
import { TcpNetwork } from './tcp-link.ts';

linkContract('TCP', () => {
  const network = new TcpNetwork();
  return { dialler: network, listener: network, listenAddress: '127.0.0.1:0' };
});

linkContract('memory', () => {
  const network = new MemoryNetwork(new SystemClock());
  return { dialler: network.host('a'), listener: network.host('b'), listenAddress: 'b:0' };
});

linkContract('memory, in pieces and late', () => {
  const network = new MemoryNetwork(new SystemClock(), {
    latencyMs: () => 2,
    pieceBytesMax: 100_000,
  });
  return { dialler: network.host('a'), listener: network.host('b'), listenAddress: 'b:0' };
});

describe('memory network', () => {
  async function connected(): Promise<{
    clock: ManualClock;
    network: MemoryNetwork;
    near: Link;
    heard: string[];
    ends: LinkEnd[];
  }> {
    const clock = new ManualClock();
    const network = new MemoryNetwork(clock, { latencyMs: () => 5 });
    const [heard, ends]: [string[], LinkEnd[]] = [[], []];
    await network.host('b').listen('b:1', (link) =>
      link.open({
        onBytes: (bytes) => heard.push(Buffer.from(bytes).toString()),
        onEnd: (end) => ends.push(end),
      }),
    );
    const dialled = network.host('a').dial('b:1', new AbortController().signal);
    await clock.advanceAsync(10);
    const near = await dialled;
    near.open({ onBytes: () => undefined, onEnd: () => undefined });
    return { clock, network, near, heard, ends };
  }

  it('delivers after the latency', async () => {
    const { clock, near, heard } = await connected();
    near.send([Buffer.from('x')]);
    clock.advance(4.9);
    expect([heard.length, near.pendingBytes]).toEqual([0, 1]);
    clock.advance(0.1);
    expect([heard.length, near.pendingBytes]).toEqual([1, 0]);
  });

  it('holds bytes while blocked and delivers them in order when healed', async () => {
    const { clock, network, near, heard } = await connected();
    network.block('a', 'b');
    near.send([Buffer.from('1')]);
    clock.advance(1000);
    near.send([Buffer.from('2')]);
    network.unblock('a', 'b');
    clock.advance(100);
    expect(heard).toEqual(['1', '2']);
  });

  it('lets a dial hang while blocked, and finish when healed', async () => {
    const { clock, network } = await connected();
    network.block('b', 'a');
    const dialled = network.host('a').dial('b:1', new AbortController().signal);
    await clock.advanceAsync(1000);
    network.unblock('b', 'a');
    await clock.advanceAsync(10);
    expect((await dialled).remoteAddress).toBe('b:1');
  });

  it('ends the links of a killed host with a goodbye, those of a reset pair with a failure', async () => {
    const killed = await connected();
    killed.network.kill('a');
    killed.clock.advance(5);
    expect(killed.ends).toEqual([{ type: 'ended' }]);
    const reset = await connected();
    reset.network.reset('a', 'b');
    expect(reset.ends).toEqual([{ type: 'failed', reason: 'connection reset' }]);
    expect(reset.network.linkCount).toBe(0);
  });
});

describe('addresses', () => {
  it.each(['host:1', '127.0.0.1:65535', '[::1]:4654', 'a.b-c:0'])('%s is one', (text) => {
    expect(formatAddress(parseAddress(text))).toBe(text);
  });

  it.each(['', 'host', 'host:', ':1', 'host:65536', 'a:b:1', '::1:1', 'ho st:1', 'host:1 '])(
    '"%s" is none',
    (text) => {
      expect(() => parseAddress(text)).toThrow(/HOST:PORT/);
    },
  );
});
