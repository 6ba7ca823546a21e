// The thread in which large contents are checked: one at a time, each answered by a verdict. It
// knows nothing of the member.
import { parentPort } from 'node:worker_threads';
import { type ErrorCode, isHoldfastError } from '@holdfast/base/errors';
import { type ConfigFormat, checkContent } from '@holdfast/domain/format';

export type ContentQuestion = {
  readonly content: Uint8Array;
  readonly format: ConfigFormat;
  readonly bytesMax: number;
};

/** Undefined: it may be published. An error does not cross threads as what it is. */
export type ContentVerdict =
  | {
      readonly code: ErrorCode;
      readonly message: string;
      readonly details: Readonly<Record<string, unknown>>;
    }
  | undefined;

function judge({ content, format, bytesMax }: ContentQuestion): ContentVerdict {
  try {
    checkContent(content, format, bytesMax);
    return undefined;
  } catch (error) {
    if (!isHoldfastError(error)) throw error;
    return { code: error.code, message: error.message, details: error.details };
  }
}

parentPort?.on('message', (question: ContentQuestion) => {
  parentPort?.postMessage(judge(question));
});
