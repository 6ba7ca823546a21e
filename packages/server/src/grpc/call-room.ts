// Whether there is room for the answer of a call where its client reads.
import type { AnswerRoom } from '@holdfast/engine/engine';

export interface CallRoom extends AnswerRoom {
  /** Of an answer that is made where nobody can be asked to wait: as large as it may become. */
  expect(bytes: number): void;
}
