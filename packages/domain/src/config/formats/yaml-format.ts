// YAML 1.2, one or many documents, any tags. Only the event stream is read: nothing is constructed,
// so aliases and merges are never expanded and an alias bomb costs its own length.
import { EVENT_ID, type Event, getScalarValue, parseEvents, YAMLException } from 'js-yaml';
import { type FormatFault, faultAt, nestingMax } from './format-checker.ts';

/** What is open while the events are walked. Children of a mapping are key, value, key, value... */
type Frame = {
  readonly keys: Set<string> | undefined;
  keyIsNext: boolean;
};

export function checkYaml(text: string): FormatFault | undefined {
  try {
    return checkEvents(text, parseEvents(text, { maxDepth: nestingMax }));
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const { mark, reason } = error;
    return mark
      ? { line: mark.line + 1, column: mark.column + 1, reason }
      : { line: 1, column: 1, reason };
  }
}

/** What the grammar allows and every reader refuses: a key twice, an alias of nothing. */
function checkEvents(text: string, events: readonly Event[]): FormatFault | undefined {
  const frames: Frame[] = [];
  let anchors = new Set<string>();
  for (const event of events) {
    if (event.type === EVENT_ID.DOCUMENT) anchors = new Set();
    if (event.type === EVENT_ID.POP) {
      frames.pop();
      continue;
    }
    const fault = checkEvent(text, event, frames.at(-1), anchors);
    if (fault) return fault;
    if (event.type !== EVENT_ID.SCALAR && event.type !== EVENT_ID.ALIAS)
      frames.push(frameOf(event));
  }
  return undefined;
}

function frameOf(event: Event): Frame {
  return { keys: event.type === EVENT_ID.MAPPING ? new Set() : undefined, keyIsNext: true };
}

function checkEvent(
  text: string,
  event: Exclude<Event, { type: typeof EVENT_ID.POP }>,
  frame: Frame | undefined,
  anchors: Set<string>,
): FormatFault | undefined {
  if (event.type === EVENT_ID.DOCUMENT) return undefined;
  const isKey = frame?.keys !== undefined && frame.keyIsNext;
  if (frame) frame.keyIsNext = !frame.keyIsNext;
  const anchor = event.anchorStart < 0 ? undefined : text.slice(event.anchorStart, event.anchorEnd);
  if (event.type === EVENT_ID.ALIAS) {
    if (anchor !== undefined && anchors.has(anchor)) return undefined;
    return faultAt(text, event.anchorStart, `no anchor named ${anchor} stands before this alias`);
  }
  if (anchor !== undefined) anchors.add(anchor);
  if (!isKey || event.type !== EVENT_ID.SCALAR) return undefined;
  return checkKey(text, event, frame?.keys ?? new Set());
}

function checkKey(
  text: string,
  event: Extract<Event, { type: typeof EVENT_ID.SCALAR }>,
  keys: Set<string>,
): FormatFault | undefined {
  const key = getScalarValue(text, event);
  if (key === '<<') return undefined; // Merges may stand side by side.
  if (keys.has(key))
    return faultAt(text, event.valueStart, 'the same key stands twice in a mapping');
  keys.add(key);
  return undefined;
}
