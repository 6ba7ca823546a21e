// YAML 1.2, one or many documents, any tags. Only the event stream is read: nothing is constructed,
// so aliases and merges are never expanded and an alias bomb costs its own length.
import { EVENT_ID, type Event, getScalarValue, parseEvents, YAMLException } from 'js-yaml';
import { type FormatFault, faultAt, nestingMax } from './format-checker.ts';

/** What is open while events are walked. Children of a mapping are key, value, key, value... */
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
  const walk = new EventWalk(text);
  for (const event of events) {
    const fault = walk.step(event);
    if (fault) return fault;
  }
  return undefined;
}

type ScalarEvent = Extract<Event, { type: typeof EVENT_ID.SCALAR }>;
type AliasEvent = Extract<Event, { type: typeof EVENT_ID.ALIAS }>;

class EventWalk {
  readonly #text: string;
  readonly #frames: Frame[] = [];
  #anchors = new Set<string>();

  constructor(text: string) {
    this.#text = text;
  }

  step(event: Event): FormatFault | undefined {
    switch (event.type) {
      case EVENT_ID.DOCUMENT:
        this.#anchors = new Set();
        this.#frames.push({ keys: undefined, keyIsNext: false });
        return undefined;
      case EVENT_ID.POP:
        this.#frames.pop();
        return undefined;
      case EVENT_ID.ALIAS:
        this.#isKey();
        return this.#checkAlias(event);
      case EVENT_ID.SCALAR:
        this.#rememberAnchor(event);
        return this.#isKey() ? this.#checkKey(event) : undefined;
      default: {
        this.#rememberAnchor(event);
        this.#isKey();
        const keys = event.type === EVENT_ID.MAPPING ? new Set<string>() : undefined;
        this.#frames.push({ keys, keyIsNext: true });
        return undefined;
      }
    }
  }

  /** Whether the node that comes now is a key; the one after it is then the value. */
  #isKey(): boolean {
    const frame = this.#frames.at(-1);
    if (!frame?.keys) return false;
    frame.keyIsNext = !frame.keyIsNext;
    return !frame.keyIsNext;
  }

  #rememberAnchor({
    anchorStart,
    anchorEnd,
  }: Pick<ScalarEvent, 'anchorStart' | 'anchorEnd'>): void {
    if (anchorStart >= 0) this.#anchors.add(this.#text.slice(anchorStart, anchorEnd));
  }

  #checkAlias({ anchorStart, anchorEnd }: AliasEvent): FormatFault | undefined {
    const name = this.#text.slice(anchorStart, anchorEnd);
    if (this.#anchors.has(name)) return undefined;
    return faultAt(this.#text, anchorStart, `no anchor named ${name} stands before this alias`);
  }

  #checkKey(event: ScalarEvent): FormatFault | undefined {
    const key = getScalarValue(this.#text, event);
    const keys = this.#frames.at(-1)?.keys;
    if (key === '<<' || !keys) return undefined; // Merges may stand side by side.
    if (keys.has(key)) {
      return faultAt(this.#text, event.valueStart, 'the same key stands twice in a mapping');
    }
    keys.add(key);
    return undefined;
  }
}
