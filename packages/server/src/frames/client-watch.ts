// One watch of a client: its place in history, the credit that it was given, and what of a long
// revision is still to be told. It is small, because a member has many of them; without credit it
// has not even a cursor, and with no more than a part of a revision left it holds only that.
import { type Revision, revision } from '@holdfast/base/ids';
import type {
  PulledRequest,
  PulledWatch,
  PulledWatches,
  WatchBatch,
} from '@holdfast/engine/engine';
import type { WatchOpen } from '@holdfast/proto/client';

import { ownKeyspace } from './frame-call.ts';
import type { ReportOutlet } from './report-outlet.ts';
import type { EncodedEvents } from './watch-events.ts';

/** No client needs more at once, and sums stay exact. */
const creditMax = 2 ** 40;
/** How often progress may be asked for. */
const progressMsMin = 100;
/** Events of one read, if no revision has more. */
const eventsPerRead = 256;

/** What the watches of one connection stand on. */
export type WatchGround = {
  readonly watches: PulledWatches;
  readonly events: EncodedEvents;
  readonly outlet: ReportOutlet;
  /** It has something to tell, and credit for it: it wants a turn. */
  readonly onReady: (watch: ClientWatch) => void;
};

export class ClientWatch {
  readonly id: number;
  /** Zero: it wants to hear nothing of progress. */
  readonly progressMs: number;
  /** When it was told something last. */
  toldMs = 0;
  /** It waits for its turn. */
  isReady = false;
  isOver = false;
  readonly #range: Omit<PulledRequest, 'startRevision'>;
  #pulled: PulledWatch | undefined;
  /** Of the revision before `#next`, from an event on. */
  #rest: { readonly batch: WatchBatch; readonly from: number } | undefined;
  /** The first revision of which nothing was told; undefined until it stands. */
  #next: Revision | undefined;
  #credit: number;
  #hasBegun = false;

  /** Throws `invalid-argument` for a keyspace that is not the client's. */
  constructor(id: number, order: WatchOpen) {
    const { key, rangeEnd, prevKv, progressMs, startRevision } = order;
    this.id = id;
    this.progressMs = progressMs === 0 ? 0 : Math.max(progressMs, progressMsMin);
    // Their own bytes: else each would keep the frame that it came in.
    const bounds = { key: key.slice(), rangeEnd: rangeEnd.slice() };
    this.#range = { keyspace: ownKeyspace(order), ...bounds, prevKv };
    this.#next = startRevision === 0 ? undefined : revision(startRevision);
    this.#credit = Math.min(order.credit, creditMax);
  }

  /** Undefined: at once. Rejects with `permission-denied`, `unauthenticated`. */
  admit({ watches }: WatchGround): Promise<unknown> | undefined {
    return watches.admit(this.#range);
  }

  /** Answers the revision up to which nothing is told. Throws `compacted`, `invalid-argument`. */
  begin(ground: WatchGround): number {
    this.#hasBegun = true;
    this.#next ??= revision(ground.watches.revision + 1);
    const seen = this.#next - 1;
    this.#open(ground);
    if (!this.#isPaid) this.#park();
    return seen;
  }

  /** There is more to tell, and credit for it. */
  get hasMore(): boolean {
    return this.#isPaid && (this.#rest !== undefined || this.#pulled?.behind === true);
  }

  /** The client has taken so many bytes. Throws `compacted`. */
  pay(bytes: number, ground: WatchGround): void {
    this.#credit = Math.min(this.#credit + bytes, creditMax);
    if (this.#hasBegun && this.#isPaid && !this.#pulled && !this.#rest) this.#open(ground);
  }

  /**
   * Tells what one read gives, as far as the credit goes; answers its bytes. Throws as `pay`, and
   * what the client may not read any more.
   */
  tell(ground: WatchGround): number {
    if (this.#rest) ground.watches.require(this.#range); // It may have waited long for its credit.
    const told = this.#rest ? this.#tellPart(ground, this.#rest) : this.#read(ground);
    if (!this.#isPaid || this.#rest) this.#park();
    else if (!this.#pulled) this.#open(ground);
    return told;
  }

  /** Where it has been told everything so far; answers whether it is. */
  tellProgress({ watches, outlet }: WatchGround): boolean {
    const present = watches.revision;
    if (!this.#pulled || this.#pulled.behind || (this.#next ?? 0) > present + 1) return false;
    this.#next = revision(present + 1);
    outlet.tell(this.id, { $case: 'progress', value: { revision: present } });
    return true;
  }

  close(): void {
    this.isOver = true;
    this.#rest = undefined;
    this.#park();
  }

  get #isPaid(): boolean {
    return this.#credit > 0;
  }

  #open({ watches, onReady }: WatchGround): void {
    const start = this.#next;
    const request = start === undefined ? this.#range : { ...this.#range, startRevision: start };
    this.#pulled = watches.open(request, () => onReady(this));
  }

  /** It holds nothing of the store; what was read and not told is read again. */
  #park(): void {
    this.#pulled?.close();
    this.#pulled = undefined;
  }

  #read(ground: WatchGround): number {
    let told = 0;
    const batches = this.#pulled ? ground.watches.next(this.#pulled, eventsPerRead) : [];
    for (const batch of batches) {
      if (!this.#isPaid || this.#rest) return told;
      told += this.#tellPart(ground, { batch, from: 0 });
    }
    // What lies between the last event and the present is not this watch's, and may be forgotten.
    if (this.#pulled && !this.#pulled.behind && !this.#rest) {
      const past = revision(ground.watches.revision + 1);
      if (past > (this.#next ?? 0)) this.#next = past;
    }
    return told;
  }

  #tellPart(
    { events, outlet }: WatchGround,
    { batch, from }: { readonly batch: WatchBatch; readonly from: number },
  ): number {
    const { bytes, until } = events.part(batch, from);
    this.#next = revision(batch.revision + 1);
    this.#rest = until < batch.events.length ? { batch, from: until } : undefined;
    this.#credit -= bytes.length;
    outlet.tellEvents(this.id, bytes);
    return bytes.length;
  }
}
