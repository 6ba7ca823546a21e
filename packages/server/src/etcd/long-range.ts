// A range of many keys, read and encoded in pieces, so that no other call waits for all of it: half
// a million keys in one piece hold the event loop for longer than an election takes. All pieces are
// of one revision. Its place in its connection and among all such ranges is its room's to keep.
import { concatBytes } from '@holdfast/base/bytes';
import { isHoldfastError } from '@holdfast/base/errors';
import { revision } from '@holdfast/base/ids';
import type { Engine, ReadOptions } from '@holdfast/engine/engine';
import { encode } from '@holdfast/proto/encode';
import { type RangeRequest, RangeResponse } from '@holdfast/proto/etcd';
import type {
  RangeRequest as EngineRange,
  RangeResponse as EngineRangeResponse,
  KeyValue,
} from '@holdfast/proto/internal';

import type { CallRoom } from '../grpc/call-room.ts';
import { messageHeadBytes } from '../grpc/message-parser.ts';
import { framed, type UnaryAnswer, withLengthOfAll } from '../grpc/method.ts';
import {
  engineRange,
  etcdRange,
  isPlain,
  isWithin,
  naturalOf,
  orderOf,
  shownOf,
} from './kv-range.ts';
import { headerOf } from './response-header.ts';
import { sortInTurns } from './turn-sort.ts';

/** What is read, or encoded, without a turn: two milliseconds' work. A turn costs others', too. */
const pieceKeys = 1024;
const pieceBytes = 1024 * 1024;

const noHead = new Uint8Array(messageHeadBytes);

type Ask = {
  readonly engine: Engine;
  readonly request: RangeRequest;
  readonly options: ReadOptions;
};

/** The answer to a Range, framed. Throws what the engine refuses it with, or a GrpcStatus. */
export async function answerRange(ask: Ask, room: CallRoom | undefined): Promise<UnaryAnswer> {
  const wanted = engineRange(ask.request);
  return room && mayBeLong(ask.request)
    ? await new LongRange(ask, wanted, room).answer()
    : await answerWhole(ask, wanted);
}

function mayBeLong(request: RangeRequest): boolean {
  if (request.rangeEnd.length === 0 || request.countOnly) return false;
  const limit = naturalOf(request.limit);
  return limit === 0 || limit > pieceKeys || !isPlain(request);
}

async function answerWhole(
  { engine, request, options }: Ask,
  wanted: EngineRange,
): Promise<UnaryAnswer> {
  const { header, body } = await engine.range(wanted, options);
  return framed(RangeResponse, etcdRange(request, body, headerOf(header)));
}

class LongRange {
  readonly #ask: Ask;
  readonly #wanted: EngineRange;
  readonly #room: CallRoom;
  readonly #pieces: Uint8Array[] = [];
  #count = 0;

  constructor(ask: Ask, wanted: EngineRange, room: CallRoom) {
    this.#ask = ask;
    this.#wanted = wanted;
    this.#room = room;
  }

  async answer(): Promise<UnaryAnswer> {
    const { request } = this.#ask;
    const { header, body, isLong, isAlone } = await this.#begin();
    if (!isLong) return framed(RangeResponse, etcdRange(request, body, headerOf(header)));
    try {
      this.#pieces.push(encode(RangeResponse, { ...nothing, header: headerOf(header) }, noHead));
      if (this.#isCounted) this.#count = body.count;
      const pages = this.#pages(
        this.#wanted.revision || header.revision,
        isAlone ? body : undefined,
      );
      const more = isPlain(request) ? await this.#copy(pages) : await this.#order(pages);
      this.#pieces.push(encode(RangeResponse, { ...nothing, more, count: this.#count }));
      return withLengthOfAll(this.#pieces);
    } catch (error) {
      // Its revision was compacted meanwhile, of which this client knows nothing.
      if (!this.#isCounted || !isHoldfastError(error, 'compacted')) throw error;
      return await answerWhole(this.#ask, this.#wanted);
    }
  }

  /** The present revision is counted with the first piece; in an old one each key is asked. */
  get #isCounted(): boolean {
    return this.#wanted.revision === 0;
  }

  /** Reads the first piece, which is all there is of most ranges. */
  async #begin() {
    const { engine, options } = this.#ask;
    const room = this.#room;
    let isLong = false;
    let isAlone = false;
    const heed = (first: EngineRangeResponse): void => {
      isLong = first.more || bytesOf(first.kvs) > pieceBytes;
      if (isLong) isAlone = room.begin();
      else room.heed(first);
    };
    const answer = await engine.range(
      { ...this.#wanted, limit: pieceKeys },
      {
        ...options,
        uncounted: !this.#isCounted,
        room: {
          get isFull() {
            return room.isFull;
          },
          wait: (signal) => room.wait(signal),
          heed,
        },
      },
    );
    return { ...answer, isLong, isAlone };
  }

  /** All keys of the range, of which those of the first page may be at hand. */
  async *#pages(
    at: number,
    first: EngineRangeResponse | undefined,
  ): AsyncGenerator<readonly KeyValue[], void, void> {
    const { engine, options } = this.#ask;
    const { actor, subject, signal } = options;
    const pinned = { actor, subject, consistency: { level: 'stale' }, uncounted: true } as const;
    const again = { ...pinned, minRevision: revision(at), ...(signal && { signal }) };
    const step = { ...this.#wanted, revision: at, limit: pieceKeys };
    for (let page = first; ; page = undefined) {
      if (!page) await this.#turn();
      page ??= (await engine.range(step, again)).body;
      yield page.kvs;
      const last = page.kvs.at(-1);
      if (!page.more || !last) return;
      step.key = concatBytes(last.key, new Uint8Array(1));
    }
  }

  /** As they come, up to the limit. Answers whether there are more. */
  async #copy(pages: AsyncIterable<readonly KeyValue[]>): Promise<boolean> {
    const limit = this.#wanted.limit || Infinity;
    let seen = 0;
    for await (const page of pages) {
      const kvs = page.slice(0, Math.max(0, limit - seen));
      seen += page.length;
      this.#room.heed({ ...nothing, kvs });
      await this.#encode(kvs);
      if (seen >= limit && this.#isCounted) break;
    }
    if (!this.#isCounted) this.#count = seen;
    return this.#count > Math.min(seen, limit);
  }

  /** Those that are asked for, in the order that is asked for. Answers whether there are more. */
  async #order(pages: AsyncIterable<readonly KeyValue[]>): Promise<boolean> {
    const { request } = this.#ask;
    const kept: KeyValue[] = [];
    let seen = 0;
    for await (const page of pages) {
      const kvs = page.filter((kv) => isWithin(request, kv));
      kept.push(...kvs);
      seen += page.length;
      this.#room.heed({ ...nothing, kvs });
    }
    if (!this.#isCounted) this.#count = seen;
    await sortInTurns(kept, orderOf(request), () => this.#turn());
    const { kvs, more } = shownOf(request, kept);
    await this.#encode(kvs);
    return more;
  }

  async #encode(kvs: readonly KeyValue[]): Promise<void> {
    for (let from = 0; from < kvs.length; ) {
      const to = endOfPiece(kvs, from);
      const piece = { ...nothing, kvs: kvs.slice(from, to) };
      if (from > 0) await this.#turn();
      this.#pieces.push(encode(RangeResponse, piece));
      from = to;
    }
  }

  #turn(): Promise<void> {
    return this.#room.turn(this.#ask.options.signal);
  }
}

const nothing: RangeResponse = { header: undefined, kvs: [], more: false, count: 0 };

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
