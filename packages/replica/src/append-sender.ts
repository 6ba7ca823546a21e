// Fills an append order's payloads in from the log store and sends it. Appends to one peer leave in
// the order that they were given, also when older entries must be read from disk first.
import type { MemberId } from '@holdfast/base/ids';
import type { Entry } from '@holdfast/raft/entry';
import type { AppendOrder } from '@holdfast/raft/ready';
import type { LogStore, PeerTransport } from './ports.ts';

export type AppendSenderOptions = {
  readonly from: MemberId;
  readonly log: Pick<LogStore, 'read'>;
  readonly transport: Pick<PeerTransport, 'send'>;
  readonly onFailure: (error: unknown) => void;
};

export class AppendSender {
  readonly #options: AppendSenderOptions;
  readonly #reading = new Map<MemberId, Promise<void>>();

  constructor(options: AppendSenderOptions) {
    this.#options = options;
  }

  send(order: AppendOrder): void {
    const before = this.#reading.get(order.to);
    if (before) {
      this.#chain(
        order,
        before.then(() => this.#read(order)),
      );
      return;
    }
    const entries = this.#read(order);
    if (entries instanceof Promise) this.#chain(order, entries);
    else this.#send(order, entries);
  }

  #chain(order: AppendOrder, reading: Promise<readonly Entry[]>): void {
    const sending = reading
      .then((entries) => this.#send(order, entries))
      .catch(this.#options.onFailure)
      .finally(() => {
        if (this.#reading.get(order.to) === sending) this.#reading.delete(order.to);
      });
    this.#reading.set(order.to, sending);
  }

  #read(order: AppendOrder): readonly Entry[] | Promise<readonly Entry[]> {
    if (order.lo === order.hi) return [];
    return this.#options.log.read(order.lo, order.hi, Number.MAX_SAFE_INTEGER);
  }

  #send(order: AppendOrder, entries: readonly Entry[]): void {
    // A truncation since the order was given makes it void; the core has gone on without it.
    if (entries.length !== order.hi - order.lo) return;
    const { previous, to, term, commit, repairTarget } = order;
    this.#options.transport.send({
      type: 'append-entries',
      from: this.#options.from,
      to,
      term,
      previous,
      entries,
      commit,
      ...(repairTarget === undefined ? {} : { repairTarget }),
    });
  }
}
