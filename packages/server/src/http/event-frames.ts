// Frames of server-sent events (WHATWG HTML 9.2). What a crowd of watchers is told of one event is
// rendered once, and all their sockets hold the same bytes.

/** One frame; its id is the item's revision. `data` is made JSON. */
export type EventFrame = { readonly event: string; readonly data: unknown };

type EventsItem = { readonly revision: number; readonly events: readonly object[] };

export function frameText(frame: EventFrame, id: number | undefined): string {
  const idLine = id === undefined ? '' : `id: ${id}\n`;
  return `${idLine}event: ${frame.event}\ndata: ${JSON.stringify(frame.data)}\n\n`;
}

/** For all watchers that are told the same of the same events. */
export class SharedFrames<Item extends EventsItem> {
  readonly #framesOf: (item: Item) => readonly EventFrame[];
  /** By the events, which the store shares among watchers of one range. */
  readonly #rendered = new WeakMap<readonly object[], Buffer>();

  constructor(framesOf: (item: Item) => readonly EventFrame[]) {
    this.#framesOf = framesOf;
  }

  /** Only the last frame carries the id, since it alone completes the item. */
  render(item: Item): Buffer {
    const known = this.#rendered.get(item.events);
    if (known) return known;
    const frames = this.#framesOf(item);
    const last = frames.length - 1;
    const texts = frames.map((frame, at) =>
      frameText(frame, at === last ? item.revision : undefined),
    );
    const rendered = Buffer.from(texts.join(''));
    this.#rendered.set(item.events, rendered);
    return rendered;
  }
}
