// Goal: what many watchers are told of the same events is rendered once, as valid frames.
import { describe, expect, it } from 'vitest';
import { SharedFrames } from './event-frames.ts';

describe('shared frames', () => {
  it('are rendered once for the same events, with the id on the last', () => {
    let rendered = 0;
    const frames = new SharedFrames((item: { revision: number; events: readonly object[] }) => {
      rendered += 1;
      return item.events.map((data) => ({ event: 'change', data }));
    });
    const events = [{ key: 'a' }, { key: 'b' }];
    const first = frames.render({ revision: 7, events });
    expect(frames.render({ revision: 7, events })).toBe(first);
    expect(rendered).toBe(1);
    expect(first.toString()).toBe(
      'event: change\ndata: {"key":"a"}\n\nid: 7\nevent: change\ndata: {"key":"b"}\n\n',
    );
    expect(frames.render({ revision: 8, events: [...events] })).not.toBe(first);
  });
});
