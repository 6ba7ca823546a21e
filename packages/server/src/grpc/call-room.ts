// Whether there is room for the answer of a call where its client reads.
import type { AnswerRoom } from '@holdfast/engine/engine';
import type { RangeResponse } from '@holdfast/proto/internal';

/** Of an object for each pair of an answer that is not encoded yet. */
const pairBytes = 256;

export interface CallRoom extends AnswerRoom {
  /** Of an answer that is made where nobody can be asked to wait: as large as it may become. */
  expect(bytes: number): void;
  /** Of an answer that may be long, before anything else is asked: it waits among such ones. */
  asLong(): CallRoom;
  /**
   * Instead of `heed`, of an answer that is made in pieces, each of which is heeded in its turn:
   * those that its connection asks for behind it wait until it is whole. Answers whether it may go
   * on now; if not, what there is of it is to be let go, as it may wait long for its `turn`.
   */
  begin(): boolean;
  /**
   * Between two pieces: lets all others run, and such answers one after another. Rejects when the
   * client has gone, or with the signal.
   */
  turn(signal?: AbortSignal): Promise<void>;
}

/** What an answer weighs that is not encoded yet. */
export function heededBytes({ kvs }: Pick<RangeResponse, 'kvs'>): number {
  let bytes = 0;
  for (const { key, value } of kvs) bytes += key.length + value.length + pairBytes;
  return bytes;
}
