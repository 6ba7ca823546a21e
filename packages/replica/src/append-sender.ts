// Fills an append order's payloads in from the log store and sends it. Appends to one peer leave in
// the order that they were given, also when older entries must be read from disk first. What was
// read while the member lost its leadership is never sent: the log may have become another
// leader's.
import { advance, type MemberId, type Term } from '@holdfast/base/ids';
import type { Entry } from '@holdfast/raft/entry';
import type { AppendEntries } from '@holdfast/raft/message';
import type { AppendOrder } from '@holdfast/raft/ready';
import type { LogStore, PeerTransport } from './ports.ts';

export type AppendSenderOptions = {
  readonly from: MemberId;
  readonly log: Pick<LogStore, 'read' | 'marks'>;
  readonly transport: Pick<PeerTransport, 'send'>;
  /** Whether this member still leads in that term, and so has only added to its log since. */
  readonly leadsIn: (term: Term) => boolean;
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
    if (order.lo === order.hi || !this.#isReadable(order)) return [];
    const { log } = this.#options;
    const entries = log.read(order.lo, order.hi, Number.MAX_SAFE_INTEGER);
    if (entries instanceof Promise) return this.#readRest(order, entries);
    return entries;
  }

  /**
   * A store may answer with less at a time: what it holds in files first, then what it has cached.
   */
  async #readRest(order: AppendOrder, first: Promise<readonly Entry[]>): Promise<readonly Entry[]> {
    let entries = await first;
    while (entries.length < order.hi - order.lo && this.#isReadable(order)) {
      const lo = advance(order.lo, entries.length);
      const more = await this.#options.log.read(lo, order.hi, Number.MAX_SAFE_INTEGER);
      entries = [...entries, ...more];
    }
    return entries;
  }

  #isReadable({ lo, term }: AppendOrder): boolean {
    return this.#options.leadsIn(term) && lo > this.#options.log.marks.purged.index;
  }

  #send(order: AppendOrder, entries: readonly Entry[]): void {
    const isWhole = entries.length === order.hi - order.lo;
    // The order is void; the core has gone on without it, or asks again.
    if (!isWhole || !this.#options.leadsIn(order.term)) return;
    const { previous, to, term, commit, isNotice, repairTarget } = order;
    const { from, transport } = this.#options;
    const message: AppendEntries = {
      type: 'append-entries',
      from,
      to,
      term,
      previous,
      entries,
      commit,
      isNotice,
    };
    transport.send(repairTarget === undefined ? message : { ...message, repairTarget });
  }
}
