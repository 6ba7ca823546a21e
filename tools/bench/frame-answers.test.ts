// Goal: the generator of frames says what a client would say, and counts what was answered. Method:
// its bytes through the codecs of the product.
import { Requests, Responses } from '@holdfast/proto/client';
import { clientDialect, type Frame, FrameParser, frameKinds } from '@holdfast/transport/frame';
import { expect, it } from 'vitest';

import { readAnswers } from './frame-answers.ts';
import { FrameWriter, idFirst } from './frame-writer.ts';

it('writes puts as any client does, each with its id and key', () => {
  const writer = new FrameWriter({ kind: 'put', keys: 3, valueBytes: 400 }, 1);
  const parser = new FrameParser({ payloadBytesMax: 1e6, dialect: clientDialect });
  const frames: Frame[] = [];
  parser.push(FrameWriter.greeting('bench'), (frame) => frames.push(frame));
  parser.push(writer.take(3, idFirst + 5), (frame) => frames.push(frame));
  expect(frames.map(({ kind }) => kind)).toEqual([
    frameKinds.clientHello,
    frameKinds.clientRequests,
  ]);
  const { requests } = Requests.decode((frames[1] as Frame).payload);
  const shown = requests.map(({ id, request }) => [
    id - idFirst,
    request?.$case === 'put' && Buffer.from(request.value.key).toString(),
    request?.$case === 'put' && request.value.value.length,
  ]);
  expect(shown).toEqual([
    [5, 'bench-00000001', 400],
    [6, 'bench-00000002', 400],
    [7, 'bench-00000000', 400],
  ]);
});

it('knows good answers from failures', () => {
  const none = { revision: 123_456, term: 3, ageMsPlusOne: 0 };
  const failure = { code: 'no-quorum', message: 'two are gone', outcome: 'unknown', details: '' };
  const payload = Responses.encode({
    responses: [
      { ...none, id: idFirst, response: { $case: 'put', value: { prevKv: undefined } } },
      { ...none, id: 7, response: { $case: 'failure', value: failure } },
    ],
  }).finish();
  const answers: unknown[] = [];
  const frame = { kind: frameKinds.clientResponses, flags: 0, group: 0, payload };
  readAnswers(frame, (id, isGood) => answers.push([id, isGood]));
  expect(answers).toEqual([
    [idFirst, true],
    [7, false],
  ]);
});
