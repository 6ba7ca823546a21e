// The rig for the dark keeps its promises. Goal: a cut is pure silence, in exactly the direction
// that was asked for, and all else goes on. Method: TCP connections between processes in machines
// of the rig, watched from both ends.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DarkRig } from '../tools/dark/dark-rig.ts';
import { ownerOf } from '../tools/dark/names.ts';
import { freeze, listNamespaces, run, wake } from '../tools/dark/system.ts';
import { EchoClient, startEchoServer } from './support/echo.ts';
import { noDark, skipped } from './support/no-dark.ts';

const silenceMs = 2000;
const machines = ['n1', 'n2', 'n3'];

describe.skipIf(noDark)(`the rig for the dark${skipped}`, () => {
  let rig: DarkRig;

  beforeAll(async () => {
    rig = await DarkRig.create({ machines });
    for (const name of machines) await startEchoServer(rig.machine(name));
  });
  afterAll(() => rig?.close());
  beforeEach(() => rig.healAll());

  const connected = async (from: string, to: string): Promise<EchoClient> => {
    const client = new EchoClient(rig.machine(from), rig.machine(to));
    await client.tells('connected');
    await client.echoes('hello');
    client.told.length = 0;
    return client;
  };

  it('a cut machine: a write neither fails nor is answered, and goes on after the heal', async () => {
    const [in1, out1, aside] = await Promise.all([
      connected('n2', 'n1'),
      connected('n1', 'n3'),
      connected('n2', 'n3'),
    ]);
    await rig.cut('n1');
    in1.say('into the dark');
    out1.say('out of the dark');
    const dial = new EchoClient(rig.machine('n2'), rig.machine('n1'));
    await aside.echoes('the others go on');
    await delay(silenceMs);
    expect([in1.told, out1.told, dial.told]).toEqual([[], [], []]);
    await rig.heal('n1');
    await in1.tells('heard into the dark');
    await out1.tells('heard out of the dark');
    await dial.tells('connected');
  });

  it('a cut pair: these two alone hear nothing of each other', async () => {
    const [between, aside] = await Promise.all([connected('n1', 'n2'), connected('n1', 'n3')]);
    await rig.cutPair('n2', 'n1');
    between.say('anybody there?');
    await aside.echoes('to the third');
    await delay(silenceMs / 4);
    expect(between.told).toEqual([]);
    await rig.healPair('n1', 'n2');
    await between.tells('heard anybody there?');
  });

  it('one direction: what a mute machine sends is lost, what it is sent arrives', async () => {
    await rig.cutDirection({ from: 'n1' });
    const before = await framesHeardBy(rig, 'n1');
    const dial = new EchoClient(rig.machine('n2'), rig.machine('n1'));
    // The first packet of the dial arrives, and its answer does not.
    await expect.poll(() => framesHeardBy(rig, 'n1')).toBeGreaterThan(before);
    expect(dial.told).toEqual([]);
    await rig.heal('n1');
    await dial.tells('connected');
  });

  it('one direction: a deaf machine hears nothing, and what it sends arrives', async () => {
    await rig.cutDirection({ to: 'n1' });
    const [before, heard] = [await framesHeardBy(rig, 'n2'), await framesHeardBy(rig, 'n1')];
    const dial = new EchoClient(rig.machine('n1'), rig.machine('n2'));
    await expect.poll(() => framesHeardBy(rig, 'n2')).toBeGreaterThan(before);
    await delay(silenceMs / 4);
    expect(dial.told).toEqual([]);
    expect(await framesHeardBy(rig, 'n1')).toBe(heard);
    await rig.healAll();
    await dial.tells('connected');
  });

  it('loss: some frames are dropped, TCP sends them again, and all is heard', async () => {
    const client = await connected('n1', 'n2');
    await rig.loss({ from: 'n1', to: 'n2' }, 10);
    for (let count = 0; (await framesDropped(rig)) < 3; count += 1) await client.echoes(`${count}`);
    await client.echoes('x'.repeat(20_000), 30_000);
  });

  it('throttle: a machine hears no faster than it may, and fast again without it', async () => {
    const client = await connected('n1', 'n2');
    // Half a megabit, at a quarter of a megabit a second; the first 16 KB of them pass at once.
    const words = 'x'.repeat(62_500);
    await rig.throttle('n2', { hearsKbit: 250 });
    const startedMs = performance.now();
    await client.echoes(words, 30_000);
    expect(performance.now() - startedMs).toBeGreaterThan(1000);
    await rig.throttle('n2', {});
    await client.echoes(`${words}y`, 30_000);
  });

  it('delay: a connection is late each way, and one that is made afterwards is not', async () => {
    await rig.delay('n2', { delayMs: 150, ports: [7] });
    const late = await connected('n1', 'n2');
    const startedMs = performance.now();
    await late.echoes('late');
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(299);
    await rig.hasten('n2');
    await late.tells('closed');
    await connected('n1', 'n2');
  });

  it('a frozen process takes what it is sent and says nothing, until it wakes', async () => {
    const machine = rig.machine('n3');
    const client = await connected('n1', 'n3');
    const servers = await run('ip', ['netns', 'pids', machine.plan.namespace]);
    const [pid] = servers.split('\n').map(Number) as [number];
    await freeze(pid);
    client.say('are you well?');
    await delay(silenceMs / 4);
    expect(client.told).toEqual([]);
    wake(pid);
    await client.tells('heard are you well?');
  });

  it('an agent asks from inside, with a deadline, and at a pace', async () => {
    const { agent } = rig.machine('n1');
    // Nothing listens there, and the machine says so; once it is dark it says nothing any more.
    const call = { method: 'GET', url: `http://${rig.machine('n2').address}:9/`, deadlineMs: 300 };
    expect(await agent.ask(call)).toMatchObject({ failure: 'ECONNREFUSED' });
    await rig.cut('n2');
    const inTheDark = await agent.ask(call);
    expect(inTheDark).toMatchObject({ failure: 'deadline' });
    expect(inTheDark.tookMs).toBeGreaterThanOrEqual(299);
    const pace = await agent.start({ calls: [call], perSecond: 50 });
    await expect.poll(async () => (await pace.attempts()).length, { timeout: 5000 }).not.toBe(0);
    const attempts = await pace.stop();
    expect(new Set(attempts.map(({ result }) => result))).toEqual(new Set(['deadline']));
    expect(attempts.map(({ number }) => number)).toEqual(attempts.map((_, at) => at));
  });
});

describe.skipIf(noDark)(`what a rig leaves behind${skipped}`, () => {
  it('is nothing after its close, and nothing on the host meanwhile', async () => {
    const cards = await run('ip', ['-brief', 'link']);
    const before = await ownNamespaces();
    const rig = await DarkRig.create({ machines: ['a', 'b'] });
    const server = await startEchoServer(rig.machine('a'));
    await freeze(server.pid as number);
    expect(await run('ip', ['-brief', 'link'])).toBe(cards);
    await rig.close();
    expect(await ownNamespaces()).toEqual(before);
    expect(server.signalCode).toBe('SIGKILL');
  });

  it('is nothing of several rigs at once, either', async () => {
    const rigs = await Promise.all([1, 2, 3].map(() => DarkRig.create({ machines: ['a'] })));
    const names = rigs.map((rig) => rig.machine('a').plan.namespace);
    expect(new Set(names).size).toBe(3);
    await Promise.all(rigs.map((rig) => rig.close()));
    const left = await run('ip', ['netns', 'list']);
    for (const name of names) expect(left).not.toContain(name);
  });

  it('after a crash is removed by the next one, with all that runs in it', async () => {
    // The largest process id that Linux gives is below this one, so its owner is dead.
    const stale = 'hf-dark-4194305-1-n1';
    await run('ip', ['netns', 'add', stale]);
    const left = expect(run('ip', ['netns', 'exec', stale, 'sleep', '60'])).rejects.toThrow();
    await expect.poll(() => run('ip', ['netns', 'pids', stale])).not.toBe('');
    await (await DarkRig.create({ machines: ['a'] })).close();
    expect(await run('ip', ['netns', 'list'])).not.toContain(stale);
    await left;
  });
});

/** Another run beside this one has others. */
const ownNamespaces = async (): Promise<readonly string[]> =>
  (await listNamespaces()).filter((name) => ownerOf(name)?.pid === process.pid);

/** Frames that have come in over the machine's card. */
async function framesHeardBy(rig: DarkRig, name: string): Promise<number> {
  const { namespace } = rig.machine(name).plan;
  const shown = JSON.parse(await run('ip', ['-n', namespace, '-s', '-j', 'link', 'show', 'eth0']));
  return shown[0].stats64.rx.packets;
}

/** By the rules of the hub. */
async function framesDropped(rig: DarkRig): Promise<number> {
  const rules = await rig.rules();
  return [...rules.matchAll(/counter packets (\d+)/g)].reduce(
    (sum, [, one]) => sum + Number(one),
    0,
  );
}
