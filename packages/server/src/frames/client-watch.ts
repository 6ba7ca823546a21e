// One watch of a client, from its order to its end. It pulls from the engine no more than the
// client has given it credit for: without any it lets go of the engine's cursor and of all that
// this held, and remembers from where to go on. There may be tens of thousands on a connection, so
// what is the same for all stands in their ground, and signals are made only where they are needed.
import type { HoldfastError } from '@holdfast/base/errors';
import { type Revision, revision } from '@holdfast/base/ids';
import type { Engine, WatchRequest, WatchStream } from '@holdfast/engine/engine';
import type { WatchOpen } from '@holdfast/proto/client';

import { operatingErrorOf } from '../errors.ts';
import { failure, ownKeyspace } from './frame-call.ts';
import type { ReportOutlet } from './report-outlet.ts';
import type { EncodedEvents, EventsItem } from './watch-events.ts';

/** No client needs more at once, and sums stay exact. */
const creditMax = 2 ** 40;
/** How often progress may be asked for. */
const progressMsMin = 100;

/** What the watches of one connection stand on. */
export type WatchGround = {
  /** Throws while there is none. */
  readonly engine: () => Engine;
  readonly actor: () => string;
  readonly events: EncodedEvents;
  readonly outlet: ReportOutlet;
  /** Ends it once this member may know of nothing younger; answers how to be let go of. */
  readonly guardFresh: (maxAgeMs: number, end: (reason: HoldfastError) => void) => () => void;
};

export class ClientWatch {
  readonly #id: number;
  readonly #order: WatchOpen;
  readonly #ground: WatchGround;
  /** What is to be told of its end. */
  #reason: HoldfastError | undefined;
  #isOver = false;
  #stream: WatchStream | undefined;
  /** Of what it waits for before there is a stream. */
  #opening: AbortController | undefined;
  /** The first revision that is still owed; undefined until the engine has said where it stands. */
  #next: Revision | undefined;
  #credit: number;
  #wake: (() => void) | undefined;

  constructor(id: number, order: WatchOpen, ground: WatchGround) {
    this.#id = id;
    this.#order = order;
    this.#ground = ground;
    this.#credit = Math.min(order.credit, creditMax);
    this.#next = order.startRevision === 0 ? undefined : revision(order.startRevision);
  }

  /** Until it is over. What it ends with, other than a cancel, is told, and answered. */
  async run(): Promise<HoldfastError | undefined> {
    const { maxAgeMs } = this.#order;
    let letGo: (() => void) | undefined;
    try {
      if (maxAgeMs > 0) {
        letGo = this.#ground.guardFresh(maxAgeMs, (reason) => this.end(reason));
      }
      let stream = await this.#open();
      this.#next ??= revision(stream.startedAt + 1);
      const started = { revision: this.#next - 1 };
      this.#ground.outlet.tell(this.#id, { $case: 'started', value: started });
      while (await this.#read(stream)) stream = await this.#open();
      return this.#reason && this.#fail(this.#reason);
    } catch (thrown) {
      return this.#fail(thrown);
    } finally {
      letGo?.();
    }
  }

  /** The client has taken so many bytes. */
  credit(bytes: number): void {
    this.#credit = Math.min(this.#credit + bytes, creditMax);
    if (this.#credit > 0) this.#wake?.();
  }

  /** Nobody wants it any more: nothing is told. */
  cancel(): void {
    this.#isOver = true;
    this.#stream?.close();
    this.#opening?.abort();
    this.#wake?.();
  }

  /** The client is told why. */
  end(reason: HoldfastError): void {
    if (this.#isOver) return;
    this.#reason = reason;
    this.cancel();
  }

  async #open(): Promise<WatchStream> {
    const { engine, actor } = this.#ground;
    const { minRevision } = this.#order;
    const wants = this.#wants();
    if (minRevision === 0) {
      this.#stream = await engine().watch(wants, { actor: actor() });
    } else {
      this.#opening = new AbortController();
      const { signal } = this.#opening;
      const options = { actor: actor(), signal, minRevision: revision(minRevision) };
      this.#stream = await engine().watch(wants, options);
    }
    if (this.#isOver) this.#stream.close();
    return this.#stream;
  }

  #wants(): WatchRequest {
    const { key, rangeEnd, prevKv, progressMs } = this.#order;
    return {
      keyspace: ownKeyspace(this.#order),
      key,
      rangeEnd,
      prevKv,
      ...(this.#next === undefined ? {} : { startRevision: this.#next }),
      ...(progressMs === 0 ? {} : { progressMs: Math.max(progressMs, progressMsMin) }),
    };
  }

  /**
   * Until the credit is spent, and there is some again: then true. Meanwhile it leaves nothing
   * open, and holds nothing of the store.
   */
  async #read(stream: WatchStream): Promise<boolean> {
    if (this.#credit > 0) {
      for await (const item of stream) {
        if (item.type === 'events') await this.#tellEvents(item);
        else this.#tellProgress(item.revision);
        if (this.#isOver || this.#credit <= 0) break;
      }
    }
    stream.close();
    this.#stream = undefined;
    if (this.#credit <= 0) await this.#paid();
    return !this.#isOver;
  }

  /** All events of a revision, in as many parts as it takes; each goes when there is room. */
  async #tellEvents(item: EventsItem): Promise<void> {
    const { events, outlet } = this.#ground;
    for (const part of events.partsOf(item)) {
      for (let turn = outlet.turn(); turn; turn = outlet.turn()) await turn;
      if (this.#credit <= 0) await this.#paid();
      if (this.#isOver) return;
      this.#credit -= part.length;
      outlet.tellEvents(this.#id, part);
    }
    this.#next = revision(item.revision + 1);
  }

  /** What lies below it is not owed; what lies at it may be. */
  #tellProgress(at: Revision): void {
    if (this.#next === undefined || at > this.#next) this.#next = at;
    this.#ground.outlet.tell(this.#id, { $case: 'progress', value: { revision: at } });
  }

  /** Resolves when there is credit again, or when it is over. */
  #paid(): Promise<void> | undefined {
    if (this.#isOver) return undefined;
    return new Promise((resolve) => {
      this.#wake = (): void => {
        this.#wake = undefined;
        resolve();
      };
    });
  }

  /** Whom nobody wants any more tells nothing of how it ended. */
  #fail(thrown: unknown): HoldfastError | undefined {
    if (this.#isOver && this.#reason === undefined) return undefined;
    const error = this.#reason ?? operatingErrorOf(thrown);
    this.#isOver = true;
    this.#ground.outlet.tell(this.#id, { $case: 'failure', value: failure(error) });
    return error;
  }
}
