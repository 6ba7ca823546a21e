// The port through which a content is checked before it is published. Parsing a large one holds the
// event loop for long; whoever has other threads checks it there (safety.md 11).
import { type ConfigFormat, checkContent } from '@holdfast/domain/format';

export type ContentCheckOptions = {
  readonly bytesMax: number;
  readonly signal?: AbortSignal | undefined;
};

/** Lets a content pass, or rejects as `checkContent` throws. */
export type ContentCheck = (
  content: Uint8Array,
  format: ConfigFormat,
  options: ContentCheckOptions,
) => Promise<void>;

/** Checks where it is called: at once, and the same each time. */
export const checkHere: ContentCheck = async (content, format, { bytesMax }) =>
  checkContent(content, format, bytesMax);
