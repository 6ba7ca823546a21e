// Our clients' frames: as many requests in a frame as go out together.
import {
  clientDialect,
  type Frame,
  FrameParser,
  frameKinds,
  payloadBytesMax,
} from '@holdfast/transport/frame';

import { readAnswers } from './frame-answers.ts';
import { FrameWriter, idFirst, idPast } from './frame-writer.ts';
import type { OnAnswer, Wire, WireOptions } from './wire.ts';

export class FrameWire implements Wire {
  readonly opening = FrameWriter.greeting('bench');
  readonly #writer: FrameWriter;
  readonly #parser = new FrameParser({ payloadBytesMax, dialect: clientDialect });
  readonly #onAnswer: OnAnswer;
  #nextId = idFirst;

  constructor({ plan, firstKey, onAnswer }: WireOptions) {
    this.#writer = new FrameWriter(plan, firstKey);
    this.#onAnswer = onAnswer;
  }

  take(count: number): Buffer {
    if (this.#nextId + count > idPast) throw new RangeError('a connection has no more ids');
    const bytes = this.#writer.take(count, this.#nextId);
    this.#nextId += count;
    return bytes;
  }

  push(part: Buffer): void {
    this.#parser.push(part, this.#heed);
  }

  readonly #heed = (frame: Frame): void => {
    if (frame.kind === frameKinds.clientHelloResponse) return;
    readAnswers(frame, (id, isGood) => this.#onAnswer(id - idFirst, isGood ? 200 : 500));
  };
}
