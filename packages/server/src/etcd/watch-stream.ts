// One stream of etcd's Watch: any number of watchers, whose answers share its room. It pulls, a
// portion of one watcher at a time, only while the client reads; so one that does not costs cursors
// and one answer. What it answers, and in which order, is etcd's (server/etcdserver/api/v3rpc).
import type { Clock } from '@holdfast/base/clock';
import { type HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import { Fifo } from '@holdfast/base/fifo';
import { revision } from '@holdfast/base/ids';
import { AccessError } from '@holdfast/domain/access-error';
import type {
  Engine,
  PulledRequest,
  PulledWatch,
  PulledWatches,
  WatchBatch,
} from '@holdfast/engine/engine';
import { type WatchCreateRequest, WatchRequest, type WatchResponse } from '@holdfast/proto/etcd';

import { flat, shapeOf } from '../field-count.ts';
import {
  decoded,
  type FramedMessage,
  type StreamCall,
  type StreamReader,
  shaped,
} from '../grpc/method.ts';
import { GrpcStatus, statusCodes } from '../grpc/status.ts';
import { kvKeyspace } from '../http/kv-view.ts';
import { cancelReasonOf, etcdStatus, etcdStatusOf } from './etcd-status.ts';
import type { UnreadEvents, UnreadShare } from './unread-events.ts';
import { answerBytes, filterOf, noWatchId, type WatchAnswers } from './watch-answers.ts';
import { WatchProgress } from './watch-progress.ts';
import type { Watcher, WatcherCount } from './watcher.ts';

/** What all watch streams of a member share. */
export type WatchStreamOptions = {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly answers: WatchAnswers;
  readonly unread: UnreadEvents;
  readonly watchers: WatcherCount;
  readonly progressMs: number;
  /** Answers that would be larger come in parts to those who ask for it. */
  readonly answerBytesMax: number;
};

/** What is left of an answer, and whose it is. */
type Parts = {
  readonly watcher: Watcher;
  readonly range: PulledRequest;
  readonly rest: Generator<FramedMessage, void, void>;
};

/** To create, to cancel, to be told of progress. */
const boundRequest = shaped(WatchRequest, {
  shape: shapeOf([1, flat], [2, flat], [3, flat]),
});

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
  readonly #unread: UnreadShare;
  /** Those that have more to read. */
  readonly #ready = new Fifo<Watcher>();
  /** The rest of an answer that comes in parts: nothing else is said before its end. */
  #parts: Parts | undefined;
  #nextId = 0n;
  #hasRoom = true;
  /** Whether the client may watch what it has asked for is being found out. */
  #isAdmitting = false;
  #isAsked = false;
  #isOver = false;

  /** Throws where the engine takes no watches. */
  constructor(call: StreamCall, options: WatchStreamOptions) {
    this.#call = call;
    this.#options = options;
    this.#unread = options.unread.join({
      unsentBytes: () => call.unsentBytes(),
      makeOn: () => this.#ask(),
      giveUp: () => call.end(unread(), true),
    });
    const onFail = (reason: HoldfastError): void => this.#call.end(etcdStatusOf(reason));
    this.#watches = options.engine.pull(onFail, call.subject);
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
    const { requestUnion } = decoded(boundRequest, message);
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
    this.#hasRoom = true;
    this.#unread.clear();
    this.#listen();
    this.#ask();
  }

  onGone(): void {
    this.#isOver = true;
    this.#unread.clear();
    this.#progress.close();
    for (const watcher of this.#watchers.values()) this.#remove(watcher);
    this.#watches.close();
    this.#parts = undefined;
  }

  // ---------------------------------------------------------------- requests

  #create(request: WatchCreateRequest): void {
    const { startRevision, watchId } = request;
    if (startRevision < 0n) return this.#refuse(etcdStatus('compacted').message);
    if (watchId > 0n && this.#watchers.has(watchId)) return this.#refuse(reasons.duplicate);
    const { watchers } = this.#options;
    if (watchers.count >= watchers.max) return this.#refuse(etcdStatus('tooManyRequests').message);
    const admission = this.#watches.admit(rangeOf(request));
    if (admission) this.#openLater(request, admission);
    else this.#tryOpen(request);
  }

  /** What is asked for after it waits with it: watchers get their ids in order. */
  #openLater(request: WatchCreateRequest, admission: Promise<undefined>): void {
    this.#isAdmitting = true;
    this.#listen();
    const goOn = (act: () => void): void => {
      if (this.#isOver) return;
      try {
        act();
        this.#isAdmitting = false;
        this.#listen();
      } catch (error) {
        this.#call.end(etcdStatusOf(error));
      }
    };
    admission.then(
      () => goOn(() => this.#tryOpen(request)),
      (error: unknown) => goOn(() => this.#refuseFor(request, error)),
    );
  }

  #tryOpen(request: WatchCreateRequest): void {
    try {
      this.#open(request);
    } catch (error) {
      this.#refuseFor(request, error);
    }
  }

  /** Throws what ends the whole stream. */
  #refuseFor({ watchId }: WatchCreateRequest, error: unknown): void {
    if (error instanceof AccessError) return this.#refuse(cancelReasonOf(error));
    if (isHoldfastError(error, 'invalid-argument')) return this.#refuse(reasons.emptyRange);
    if (!isHoldfastError(error, 'compacted')) throw error;
    const id = this.#newId(watchId);
    this.#say({ watchId: id, created: true });
    this.#sayCompacted(id, error.details);
  }

  /** Throws `compacted`, `invalid-argument` for an empty range, and what its user may not. */
  #open(request: WatchCreateRequest): void {
    const { startRevision } = request;
    const start = Number(startRevision > revisionMax ? revisionMax : startRevision);
    const watch = this.#openWatch(request, start, () => this.#isReady(watcher));
    const watcher: Watcher = {
      id: this.#newId(request.watchId),
      filter: filterOf(request.filters),
      inParts: request.fragment ? rangeOf(request) : undefined,
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

  #openWatch(request: WatchCreateRequest, start: number, onReady: () => void): PulledWatch {
    const range = rangeOf(request);
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
    if (this.#isOver || !this.#hasRoom || !this.#unread.mayMake) return 0;
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
    return watcher ? this.#read(watcher) : 0;
  }

  #read(watcher: Watcher): number {
    let batches: readonly WatchBatch[];
    try {
      batches = this.#watches.next(watcher.watch, eventsPerRead);
    } catch (error) {
      this.#endFor(watcher, error);
      return 0;
    }
    if (watcher.watch.behind) this.#ready.push(watcher);
    return batches.length === 0 ? 0 : this.#sendEvents(watcher, batches);
  }

  /** Throws what is no reason for a watcher to end. */
  #endFor(watcher: Watcher, error: unknown): void {
    const isDenied = error instanceof AccessError;
    if (!isDenied && !isHoldfastError(error, 'compacted')) throw error;
    this.#remove(watcher);
    if (!isDenied) this.#sayCompacted(watcher.id, error.details);
    else this.#say({ watchId: watcher.id, canceled: true, cancelReason: cancelReasonOf(error) });
  }

  // ---------------------------------------------------------------- answers

  #sendEvents(watcher: Watcher, batches: readonly WatchBatch[]): number {
    const { engine, answers, answerBytesMax: bytesMax } = this.#options;
    const header = engine.header();
    const range = watcher.inParts;
    if (range && answerBytes(batches) >= bytesMax) {
      watcher.hasHeard = true;
      const rest = answers.fragments(watcher, batches, { header, bytesMax });
      this.#parts = { watcher, range, rest };
      return this.#sendPart(this.#parts);
    }
    const answer = answers.events(watcher, batches, header);
    if (!answer) return 0;
    watcher.hasHeard = true;
    this.#send(answer);
    return answer.length;
  }

  /** A client that reads slowly may have lost its right since the part before. */
  #sendPart({ watcher, range, rest }: Parts): number {
    try {
      this.#watches.require(range);
    } catch (error) {
      this.#parts = undefined;
      this.#endFor(watcher, error);
      this.#listen();
      return 0;
    }
    const { value, done } = rest.next();
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
    if (this.#isOver) return;
    this.#unread.sent(message.length);
    if (this.#call.send(message)) return;
    this.#hasRoom = false;
    this.#listen();
  }

  /** Whoever does not read, or is in the middle of being told something, is not heard. */
  #listen(): void {
    if (this.#hasRoom && !this.#parts && !this.#isAdmitting) this.#call.resume();
    else this.#call.pause();
  }
}

const rangeOf = ({ key, rangeEnd, prevKv }: WatchCreateRequest): PulledRequest => ({
  keyspace: kvKeyspace,
  key,
  rangeEnd,
  prevKv,
});

/** What a client reads of it tells it to resume: to it the member was merely unavailable. */
const unread = (): GrpcStatus =>
  new GrpcStatus(
    statusCodes.unavailable,
    'the answers of this stream were not read for long, and their room was needed: watch again, ' +
      'from the revision after the last one that was seen',
  );
