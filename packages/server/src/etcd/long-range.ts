// A range of many keys, read and encoded in pieces, so that no other call waits for all of it: half
// a million keys in one piece hold the event loop for longer than an election takes. All pieces are
// of one revision. Its place in its connection and among all such ranges is its room's to keep.
import { isHoldfastError } from '@holdfast/base/errors';
import { revision } from '@holdfast/base/ids';
import { keyAfter } from '@holdfast/base/key';
import type { Answer, Engine, ReadOptions } from '@holdfast/engine/engine';
import { encode } from '@holdfast/proto/encode';
import { type RangeRequest, RangeResponse } from '@holdfast/proto/etcd';
import type {
  RangeRequest as EngineRange,
  RangeResponse as EngineRangeResponse,
  KeyValue,
} from '@holdfast/proto/internal';

import type { CallRoom } from '../grpc/call-room.ts';
import { framed, headed, type UnaryAnswer, withLengthOfAll } from '../grpc/method.ts';
import { GrpcStatus, statusCodes } from '../grpc/status.ts';
import {
  engineRange,
  etcdRange,
  isPlain,
  isWithin,
  orderOf,
  shownOf,
  withoutValue,
} from './kv-range.ts';
import { headerOf } from './response-header.ts';
import { runLength, sortInTurns } from './turn-sort.ts';

/** What is read, or encoded, without a turn: two milliseconds' work. A turn costs others', too. */
const pieceKeys = 1024;
const pieceBytes = 1024 * 1024;
/** What is compared in a run of a sort, at the most. */
const runBytes = 8 * 1024 * 1024;
/** As etcd's: clients count the bytes of a message in 32 bits with a sign. */
const messageBytesMax = 2 ** 31 - 1;
/** Of a range whose revision is compacted each time before it is read; then it is read at once. */
const triesMax = 3;

type Ask = {
  readonly engine: Engine;
  readonly request: RangeRequest;
  readonly options: ReadOptions;
};

type Page = Answer<EngineRangeResponse>;

/** The answer to a Range, framed. Throws what the engine refuses it with, or a GrpcStatus. */
export async function answerRange(ask: Ask, room: CallRoom | undefined): Promise<UnaryAnswer> {
  const wanted = engineRange(ask.request);
  if (room && mayBeLong(wanted)) return await new LongRange(ask, wanted, room.asLong()).answer();
  const { header, body } = await ask.engine.range(wanted, ask.options);
  return framed(RangeResponse, etcdRange(ask.request, body, headerOf(header)));
}

/** The present revision is counted at once; in an old one each key of the range is asked. */
const mayBeLong = ({ rangeEnd, countOnly, revision: at }: EngineRange): boolean =>
  rangeEnd.length > 0 && (!countOnly || at > 0);

class LongRange {
  readonly #ask: Ask;
  readonly #wanted: EngineRange;
  readonly #room: CallRoom;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #count = 0;

  constructor(ask: Ask, wanted: EngineRange, room: CallRoom) {
    this.#ask = ask;
    this.#wanted = wanted;
    this.#room = room;
  }

  async answer(): Promise<UnaryAnswer> {
    const { at, isLong, first } = await this.#begin();
    if (first && !isLong) return this.#answerAtOnce(first);
    for (let tries = 1, page = first; tries <= triesMax; tries += 1, page = undefined) {
      try {
        return await this.#answerInPieces(page ?? (await this.#readAnew(at)));
      } catch (error) {
        // Its revision was compacted meanwhile, of which this client knows nothing.
        if (!this.#isCounted || !isHoldfastError(error, 'compacted')) throw error;
      }
    }
    return this.#answerAtOnce(await this.#read(this.#wanted, at, false));
  }

  #answerAtOnce({ header, body }: Page): UnaryAnswer {
    return framed(RangeResponse, etcdRange(this.#ask.request, body, headerOf(header)));
  }

  get #isCounted(): boolean {
    return this.#wanted.revision === 0;
  }

  /** In a page; a limit and a count may be reached with it. */
  get #step(): EngineRange {
    const { limit, keysOnly, countOnly } = this.#wanted;
    const page = { limit: Math.min(limit || pieceKeys, pieceKeys), countOnly: false };
    return { ...this.#wanted, ...page, keysOnly: keysOnly || countOnly };
  }

  /** Reads the first page, which is all there is of most ranges; nothing, if it has to wait. */
  async #begin() {
    const { engine, options } = this.#ask;
    const room = this.#room;
    let isLong = false;
    let mayGoOn = true;
    const heed = (body: EngineRangeResponse): void => {
      isLong = this.#goesOn(body) || this.#wanted.countOnly || bytesOf(body.kvs) > pieceBytes;
      if (isLong) mayGoOn = room.begin();
      else room.heed(body);
    };
    const answer = await engine.range(this.#step, {
      ...options,
      uncounted: !this.#isCounted,
      room: {
        get isFull() {
          return room.isFull;
        },
        wait: (signal) => room.wait(signal),
        heed,
      },
    });
    return { at: answer.header.revision, isLong, first: mayGoOn ? answer : undefined };
  }

  /** Whether there is more to read: at an old revision also what is counted alone. */
  #goesOn({ kvs, more }: EngineRangeResponse): boolean {
    const { limit } = this.#wanted;
    return more && !(this.#isCounted && limit > 0 && kvs.length >= limit);
  }

  /** In its turn, at a revision no older than `at`. */
  async #readAnew(at: number): Promise<Page> {
    await this.#turn();
    return await this.#read(this.#step, at, !this.#isCounted);
  }

  async #read(step: EngineRange, at: number, uncounted: boolean): Promise<Page> {
    const { engine, options } = this.#ask;
    const { actor, subject, signal } = options;
    const pinned = { actor, subject, consistency: { level: 'stale' }, uncounted } as const;
    const minRevision = revision(at);
    return await engine.range(step, { ...pinned, minRevision, ...(signal && { signal }) });
  }

  async #answerInPieces({ header, body }: Page): Promise<UnaryAnswer> {
    const { request } = this.#ask;
    this.#pieces = [];
    this.#bytes = 0;
    if (this.#isCounted) this.#count = body.count;
    this.#add(headed(RangeResponse, { ...nothing, header: headerOf(header) }));
    const pages = this.#pages(this.#wanted.revision || header.revision, body);
    const more = isPlain(request) ? await this.#copy(pages) : await this.#order(pages);
    this.#add(encode(RangeResponse, { ...nothing, more, count: this.#count }));
    return withLengthOfAll(this.#pieces);
  }

  /** All keys of the range, up to the limit where no more are counted. */
  async *#pages(
    at: number,
    first: EngineRangeResponse,
  ): AsyncGenerator<readonly KeyValue[], void, void> {
    for (let page = first; ; ) {
      yield page.kvs;
      const last = page.kvs.at(-1);
      const key = page.more && last ? keyAfter(last.key) : undefined;
      if (!key) return;
      await this.#turn();
      const step = { ...this.#step, key, revision: at, limit: pieceKeys };
      page = (await this.#read(step, at, true)).body;
    }
  }

  /** As they come, up to the limit. Answers whether there are more. */
  async #copy(pages: AsyncIterable<readonly KeyValue[]>): Promise<boolean> {
    const { limit, countOnly } = this.#wanted;
    const most = countOnly ? 0 : limit || Infinity;
    let seen = 0;
    for await (const page of pages) {
      const kvs = page.slice(0, Math.max(0, most - seen));
      seen += page.length;
      this.#room.heed({ ...nothing, kvs });
      await this.#encode(kvs);
      if (seen >= most && this.#isCounted) break;
    }
    if (!this.#isCounted) this.#count = seen;
    return !countOnly && this.#count > Math.min(seen, most);
  }

  /** Those that are asked for, in the order that is asked for. Answers whether there are more. */
  async #order(pages: AsyncIterable<readonly KeyValue[]>): Promise<boolean> {
    const { request } = this.#ask;
    const { countOnly } = this.#wanted;
    const kept: KeyValue[] = [];
    let seen = 0;
    for await (const page of pages) {
      const kvs = countOnly ? [] : page.filter((kv) => isWithin(request, kv));
      kept.push(...kvs);
      seen += page.length;
      this.#room.heed({ ...nothing, kvs });
    }
    if (!this.#isCounted) this.#count = seen;
    const run = Math.min(runLength, Math.ceil((runBytes * kept.length) / (bytesOf(kept) + 1)) + 1);
    await sortInTurns(kept, { run, compare: orderOf(request), turn: () => this.#turn() });
    const { kvs, more } = shownOf(request, kept);
    await this.#encode(kvs);
    return more;
  }

  async #encode(kvs: readonly KeyValue[]): Promise<void> {
    // Values are read, and not wanted, where they are what is sorted by.
    const isBare = this.#ask.request.keysOnly && !this.#wanted.keysOnly;
    for (let from = 0; from < kvs.length; ) {
      const to = endOfPiece(kvs, from);
      const piece = kvs.slice(from, to);
      if (from > 0) await this.#turn();
      const shown = isBare ? piece.map(withoutValue) : piece;
      this.#add(encode(RangeResponse, { ...nothing, kvs: shown }));
      from = to;
    }
  }

  #add(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes > messageBytesMax) throw tooLong(this.#bytes);
  }

  #turn(): Promise<void> {
    return this.#room.turn(this.#ask.options.signal);
  }
}

const nothing: RangeResponse = { header: undefined, kvs: [], more: false, count: 0 };

const tooLong = (bytes: number): GrpcStatus =>
  new GrpcStatus(
    statusCodes.resourceExhausted,
    `grpc: trying to send message larger than max (${bytes} vs. ${messageBytesMax}): ` +
      'ask for less, with a limit',
  );

const sizeOf = ({ key, value }: KeyValue): number => key.length + value.length;

const bytesOf = (kvs: readonly KeyValue[]): number => kvs.reduce((sum, kv) => sum + sizeOf(kv), 0);

/** A pair is never cut: it may be longer than a piece. */
function endOfPiece(kvs: readonly KeyValue[], from: number): number {
  let bytes = 0;
  for (let at = from; at < kvs.length; at += 1) {
    if (at > from && (at - from >= pieceKeys || bytes >= pieceBytes)) return at;
    bytes += sizeOf(kvs[at] as KeyValue);
  }
  return kvs.length;
}
