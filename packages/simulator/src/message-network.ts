// Single messages between simulated members, each with a fate of its own: lost, late, twice, out of
// order. More than a stream of bytes ever does to them, and quicker to simulate.
import type { MemberId } from '@holdfast/base/ids';
import type { Joined, Joining, MemberNetwork } from './member-network.ts';
import { Network } from './network.ts';
import { SimulatedTransport, type TransportRegistry } from './simulated-transport.ts';

export class MessageNetwork extends Network implements MemberNetwork {
  readonly #registry: TransportRegistry = new WeakMap();

  /** Messages need no connection. */
  readonly broken: readonly string[] = [];

  get arrivedCount(): number {
    return this.counters.delivered;
  }

  join({ identity, clock, acceptsStore, onSent }: Joining): Joined {
    const transport = new SimulatedTransport({
      identity,
      clock,
      acceptsStore,
      onSent,
      network: this,
      registry: this.#registry,
    });
    const { attachment } = transport;
    return {
      transport,
      die: (how) => this.detach(attachment, how === 'process' ? 'refused' : 'dark'),
      // Who is attached is found by everybody.
      setPeers: () => undefined,
      judgeAgain: () => this.judgeAgain(attachment),
    };
  }

  dismiss(_member: MemberId): void {}
}
