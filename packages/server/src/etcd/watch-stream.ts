// One stream of etcd's Watch: any number of watchers, whose answers share its room. It pulls, a
// portion of one watcher at a time, only while the client reads; so one that does not costs cursors
// and one answer. What it answers, and in which order, is etcd's (server/etcdserver/api/v3rpc).
import type { Clock } from '@holdfast/base/clock';
import { isHoldfastError } from '@holdfast/base/errors';
import { Fifo } from '@holdfast/base/fifo';
import { revision } from '@holdfast/base/ids';
import type { Engine, PulledWatch, PulledWatches, WatchBatch } from '@holdfast/engine/engine';
import { type WatchCreateRequest, WatchRequest, type WatchResponse } from '@holdfast/proto/etcd';

import { decoded, type FramedMessage, type StreamCall, type StreamReader } from '../grpc/method.ts';
import { GrpcStatus, statusCodes } from '../grpc/status.ts';
import { kvKeyspace } from '../http/kv-view.ts';
import { etcdStatus, etcdStatusOf } from './etcd-status.ts';
import type { UnreadAnswers } from './unread-answers.ts';
import { answerBytes, filterOf, noWatchId, type WatchAnswers } from './watch-answers.ts';
import { WatchProgress } from './watch-progress.ts';
import type { Watcher, WatcherCount } from './watcher.ts';

/** What all watch streams of a member share. */
export type WatchStreamOptions = {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly answers: WatchAnswers;
  readonly unread: UnreadAnswers;
  readonly watchers: WatcherCount;
  readonly progressMs: number;
  /** Answers that would be larger come in parts to those who ask for it. */
  readonly answerBytesMax: number;
};

/** Events that one portion has, if no revision has more. */
const eventsPerRead = 256;
const revisionMax = BigInt(Number.MAX_SAFE_INTEGER);

/** In etcd's words. */
const reasons = {
  emptyRange: 'mvcc: watcher range is empty',
  duplicate: 'mvcc: duplicate watch ID provided on the WatchStream',
};

export class WatchStream implements StreamReader {
  readonly #call: StreamCall;
  readonly #options: WatchStreamOptions;
  readonly #watches: PulledWatches;
  readonly #watchers = new Map<bigint, Watcher>();
  readonly #progress: WatchProgress;
  /** Those that have more to read. */
  readonly #ready = new Fifo<Watcher>();
  /** The rest of an answer that comes in parts: nothing else is said before its end. */
  #parts: Generator<FramedMessage, void, void> | undefined;
  #nextId = 0n;
  #hasRoom = true;
  #isAsked = false;
  #isOver = false;

  /** Throws where the engine takes no watches. */
  constructor(call: StreamCall, options: WatchStreamOptions) {
    this.#call = call;
    this.#options = options;
    this.#watches = options.engine.pull((reason) => this.#call.end(etcdStatusOf(reason)));
    this.#progress = new WatchProgress({
      clock: options.clock,
      intervalMs: options.progressMs,
      watchers: this.#watchers,
      revision: () => this.#watches.revision,
      tell: (watchId) => this.#say({ watchId }),
      onDue: () => this.#ask(),
    });
  }

  onMessage(message: Uint8Array): void {
    const { requestUnion } = decoded(WatchRequest, message);
    switch (requestUnion?.$case) {
      case 'createRequest':
        return this.#create(requestUnion.value);
      case 'cancelRequest':
        return this.#cancel(requestUnion.value.watchId);
      case 'progressRequest':
        return this.#progress.askForAll();
      default: // What a later client may say; etcd does not mind it.
    }
  }

  onEnd(): void {
    // Who has no more to ask is still told.
  }

  onRoom(): void {
    if (this.#hasRoom) return;
    this.#hasRoom = true;
    this.#options.unread.remove(this);
    this.#listen();
    this.#ask();
  }

  onGone(): void {
    this.#isOver = true;
    this.#options.unread.remove(this);
    this.#progress.close();
    for (const watcher of this.#watchers.values()) this.#remove(watcher);
    this.#watches.close();
    this.#parts = undefined;
  }

  /** Its answers are in the way of others. */
  giveUp(): void {
    this.#call.end(unread(), true);
  }

  // ---------------------------------------------------------------- requests

  #create(request: WatchCreateRequest): void {
    const { startRevision, watchId } = request;
    if (startRevision < 0n) return this.#refuse(etcdStatus('compacted').message);
    if (watchId > 0n && this.#watchers.has(watchId)) return this.#refuse(reasons.duplicate);
    const { watchers } = this.#options;
    if (watchers.count >= watchers.max) return this.#refuse(etcdStatus('tooManyRequests').message);
    try {
      this.#open(request);
    } catch (error) {
      if (isHoldfastError(error, 'invalid-argument')) return this.#refuse(reasons.emptyRange);
      if (!isHoldfastError(error, 'compacted')) throw error;
      const id = this.#newId(watchId);
      this.#say({ watchId: id, created: true });
      this.#sayCompacted(id, error.details);
    }
  }

  /** Throws `compacted`, and `invalid-argument` for an empty range. */
  #open(request: WatchCreateRequest): void {
    const { startRevision } = request;
    const start = Number(startRevision > revisionMax ? revisionMax : startRevision);
    const watch = this.#openWatch(request, start, () => this.#isReady(watcher));
    const watcher: Watcher = {
      id: this.#newId(request.watchId),
      filter: filterOf(request.filters),
      isFragmenting: request.fragment,
      wantsProgress: request.progressNotify,
      start,
      watch,
      hasHeard: false,
      isDue: false,
      isOver: false,
    };
    this.#watchers.set(watcher.id, watcher);
    this.#options.watchers.count += 1;
    this.#progress.begin(watcher);
    this.#say({ watchId: watcher.id, created: true });
    if (watch.behind) this.#isReady(watcher);
  }

  #openWatch(
    { key, rangeEnd, prevKv }: WatchCreateRequest,
    start: number,
    onReady: () => void,
  ): PulledWatch {
    const range = { keyspace: kvKeyspace, key, rangeEnd, prevKv };
    const asked = start === 0 ? range : { ...range, startRevision: revision(start) };
    return this.#watches.open(asked, onReady);
  }

  #newId(asked: bigint): bigint {
    if (asked > 0n) return asked;
    while (this.#watchers.has(this.#nextId)) this.#nextId += 1n;
    const id = this.#nextId;
    this.#nextId += 1n;
    return id;
  }

  #refuse(cancelReason: string): void {
    this.#say({ watchId: noWatchId, created: true, canceled: true, cancelReason });
  }

  #cancel(id: bigint): void {
    const watcher = this.#watchers.get(id);
    if (!watcher) return;
    this.#remove(watcher);
    this.#say({ watchId: id, canceled: true });
  }

  #remove(watcher: Watcher): void {
    watcher.isOver = true;
    watcher.watch.close();
    this.#watchers.delete(watcher.id);
    this.#progress.end(watcher);
    this.#options.watchers.count -= 1;
  }

  // ---------------------------------------------------------------- turns

  #isReady(watcher: Watcher): void {
    this.#ready.push(watcher);
    this.#ask();
  }

  #ask(): void {
    if (this.#isAsked || !this.#hasRoom || this.#isOver) return;
    if (this.#ready.length === 0 && !this.#progress.isDue && !this.#parts) return;
    this.#isAsked = true;
    this.#watches.askTurn(this.#turn);
  }

  readonly #turn = (): number => {
    this.#isAsked = false;
    if (this.#isOver || !this.#hasRoom) return 0;
    try {
      return this.#work();
    } catch (error) {
      this.#call.end(etcdStatusOf(error));
      return 0;
    } finally {
      this.#ask();
    }
  };

  /** Says a thing or two; answers how many bytes of events it came to. */
  #work(): number {
    if (this.#parts) return this.#sendPart(this.#parts);
    this.#progress.tellNext();
    const watcher = this.#ready.shift();
    if (!watcher) this.#progress.tellAll();
    return watcher && !watcher.isOver ? this.#read(watcher) : 0;
  }

  #read(watcher: Watcher): number {
    let batches: readonly WatchBatch[];
    try {
      batches = watcher.watch.next(eventsPerRead);
    } catch (error) {
      if (!isHoldfastError(error, 'compacted')) throw error;
      this.#remove(watcher);
      this.#sayCompacted(watcher.id, error.details);
      return 0;
    }
    if (watcher.watch.behind) this.#ready.push(watcher);
    return batches.length === 0 ? 0 : this.#sendEvents(watcher, batches);
  }

  // ---------------------------------------------------------------- answers

  #sendEvents(watcher: Watcher, batches: readonly WatchBatch[]): number {
    const { engine, answers, answerBytesMax: bytesMax } = this.#options;
    const header = engine.header();
    if (watcher.isFragmenting && answerBytes(batches) >= bytesMax) {
      watcher.hasHeard = true;
      this.#parts = answers.fragments(watcher, batches, { header, bytesMax });
      return this.#sendPart(this.#parts);
    }
    const answer = answers.events(watcher, batches, header);
    if (!answer) return 0;
    watcher.hasHeard = true;
    this.#send(answer);
    return answer.length;
  }

  #sendPart(parts: Generator<FramedMessage, void, void>): number {
    const { value, done } = parts.next();
    if (done) this.#parts = undefined;
    else this.#send(value);
    this.#listen();
    return value?.length ?? 0;
  }

  #sayCompacted(watchId: bigint, details: Readonly<Record<string, unknown>>): void {
    const compactRevision = Number(details.compactRevision);
    this.#say({ watchId, canceled: true, compactRevision });
  }

  #say(answer: Partial<WatchResponse>): void {
    const { engine, answers } = this.#options;
    this.#send(answers.control(engine.header(), answer));
  }

  #send(message: FramedMessage): void {
    if (this.#call.send(message) || this.#isOver) return;
    this.#hasRoom = false;
    this.#listen();
    this.#options.unread.add(this, message.length);
  }

  /** Whoever does not read, or is in the middle of being told something, is not heard. */
  #listen(): void {
    if (this.#hasRoom && !this.#parts) this.#call.resume();
    else this.#call.pause();
  }
}

/** What a client reads of it tells it to resume: to it the member was merely unavailable. */
const unread = (): GrpcStatus =>
  new GrpcStatus(
    statusCodes.unavailable,
    'the answers of this stream were not read for long, and their room was needed: watch again, ' +
      'from the revision after the last one that was seen',
  );
