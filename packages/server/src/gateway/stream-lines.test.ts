// Goal: a message whose text is long holds nobody up: it is made a piece a turn, once for all who
// are told it, and what its stream says after it comes after it. Method: answers to watches of many
// events, written to a list; turns of the event loop are counted.
import { WatchResponse } from '@holdfast/proto/etcd';
import { Event_EventType } from '@holdfast/proto/etcd-kv';
import { beforeAll, describe, expect, it } from 'vitest';

import { type FramedMessage, framed, unframed } from '../grpc/method.ts';
import { eventually } from '../http/test-door.fixture.ts';
import { gatewayPaths } from './gateway-paths.ts';
import { LongLines } from './long-lines.ts';
import { type MessageShape, methodShapes } from './message-shapes.ts';
import { jsonOf } from './message-to-json.ts';
import { StreamLines } from './stream-lines.ts';

let shape: MessageShape;

beforeAll(() => {
  const shapes = methodShapes(gatewayPaths.values());
  shape = shapes.get('/etcdserverpb.Watch/Watch')?.response as MessageShape;
});

/** Of two hundred bytes each, about. */
function answerOf(events: number, watchId = 0n): FramedMessage {
  const facts = { createRevision: 1, modRevision: 2, version: 1, lease: 0n };
  return framed(WatchResponse, {
    ...{ header: undefined, watchId, created: false, canceled: false, compactRevision: 0 },
    ...{ cancelReason: '', fragment: false },
    events: Array.from({ length: events }, (_, at) => ({
      type: Event_EventType.PUT,
      kv: { key: Buffer.from(`key/${at}`), value: Buffer.alloc(180, at), ...facts },
      prevKv: undefined,
    })),
  });
}

const lineOf = (message: FramedMessage): string =>
  `{"result":${jsonOf(shape, unframed(message))}}\n`;

/** Turns of the event loop until it is made. */
async function turnsOf(work: Promise<unknown>): Promise<number> {
  let isOver = false;
  let turns = 0;
  void work.finally(() => {
    isOver = true;
  });
  for (; !isOver; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  return turns;
}

type Scene = {
  readonly lines: StreamLines;
  readonly written: string[];
  readonly faults: unknown[];
  rooms: number;
  hasRoom: boolean;
  isOver: boolean;
};

function sceneOf(long = new LongLines()): Scene {
  const scene: Scene = {
    lines: new StreamLines({
      long,
      shape,
      write: (line) => {
        scene.written.push(String(line));
        return scene.hasRoom;
      },
      isOver: () => scene.isOver,
      onRoom: () => {
        scene.rooms += 1;
      },
      onFault: (error) => scene.faults.push(error),
    }),
    ...{ written: [], faults: [], rooms: 0, hasRoom: true, isOver: false },
  };
  return scene;
}

const [short, long] = [1, 5000].map((events) => () => answerOf(events)) as [
  () => FramedMessage,
  () => FramedMessage,
];

describe('a long line', () => {
  it('is what it is when it is made at once', async () => {
    for (const events of [0, 1, 700, 5000]) {
      const message = answerOf(events, 7n);
      expect(String(await new LongLines().lineOf(shape, message))).toBe(lineOf(message));
    }
  });

  it('is made a piece a turn, and takes turns with others', async () => {
    const lines = new LongLines();
    expect(await turnsOf(lines.lineOf(shape, long()))).toBeGreaterThan(14);
    const small = answerOf(700);
    const both = [lines.lineOf(shape, long()), lines.lineOf(shape, small)] as const;
    const turns = await turnsOf(both[1]);
    expect(turns).toBeGreaterThan(4);
    expect(turns).toBeLessThan(10);
    await Promise.all(both);
  });

  it('is made once for all who are told the same, while it is made', async () => {
    const lines = new LongLines();
    const message = long();
    const first = lines.lineOf(shape, message);
    expect(lines.lineOf(shape, message)).toBe(first);
    expect(lines.lineOf(shape, long())).not.toBe(first);
    await first;
    expect(lines.lineOf(shape, message)).not.toBe(first);
  });
});

describe('the lines of a stream', () => {
  it('leave at once where they are short', () => {
    const { lines, written } = sceneOf();
    expect(lines.send(short())).toBe(true);
    expect([written, lines.isBusy]).toEqual([[lineOf(short())], false]);
  });

  it('leave in the order in which they were sent, and there is room behind the last', async () => {
    const scene = sceneOf();
    const sent = [long(), short(), long(), short()];
    expect(sent.map((message) => scene.lines.send(message))).toEqual(Array(4).fill(false));
    expect(scene.lines.waitingBytes).toBe(sent.reduce((sum, { length }) => sum + length, 0));
    expect([scene.written, scene.rooms]).toEqual([[], 0]);
    await eventually(() => expect(scene.rooms).toBe(1));
    expect(scene.written).toEqual(sent.map(lineOf));
    expect([scene.lines.isBusy, scene.lines.waitingBytes]).toEqual([false, 0]);
    expect(scene.lines.send(short())).toBe(true);
  });

  it('leave the room to whoever writes, where there is none behind them', async () => {
    const scene = sceneOf();
    scene.hasRoom = false;
    scene.lines.send(long());
    await eventually(() => expect(scene.lines.isBusy).toBe(false));
    expect([scene.written.length, scene.rooms]).toEqual([1, 0]);
  });

  it('are all written before the end', async () => {
    const scene = sceneOf();
    scene.lines.send(long());
    scene.lines.atEnd(() => scene.written.push('end'));
    expect(scene.written).toEqual([]);
    await eventually(() => expect(scene.written.length).toBe(2));
    expect([scene.written[1], scene.rooms]).toEqual(['end', 0]);
    scene.lines.atEnd(() => scene.written.push('at once'));
    expect(scene.written[2]).toBe('at once');
  });

  it('are for nobody once the client has gone', async () => {
    const lines = new LongLines();
    const scene = sceneOf(lines);
    const message = long();
    scene.lines.send(message);
    scene.isOver = true;
    await lines.lineOf(shape, message);
    await new Promise((resolve) => setImmediate(resolve));
    expect([scene.written, scene.rooms, scene.faults]).toEqual([[], 0, []]);
  });

  it('tell where no text can be made', async () => {
    const scene = sceneOf();
    const broken = Buffer.concat([answerOf(1000), Buffer.of(0x5a, 0x7f)]);
    scene.lines.send(broken);
    await eventually(() => expect(scene.faults.length).toBe(1));
    expect(scene.written).toEqual([]);
  });
});
