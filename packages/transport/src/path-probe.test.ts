// Goal: connections are dialled anew only where the way was dark beyond doubt; what any other
// failure says of this machine is no word on the peer. Method: a network that does with each
// request as the test says, and a clock that it moves.
import { sleep } from '@holdfast/base/clock';
import { ManualClock } from '@holdfast/base/manual-clock';
import { expect, it } from 'vitest';
import { dialError, type Link, type LinkNetwork } from './link.ts';
import { MemoryNetwork } from './memory-link.ts';
import { PathProbe, type PathVerdict } from './path-probe.ts';

const againMs = 500;

/** `late`: as when the kernel itself has to send it twice. */
type Answer = 'answered' | 'late' | 'lost' | 'refused' | 'EHOSTUNREACH';

const lateMs = 1000;

/** What becomes of each request in turn; the last one's fate is that of all after it. */
async function probe(answers: readonly Answer[], ms: number) {
  const clock = new ManualClock();
  const wires = new MemoryNetwork(clock).host('h2');
  const links: Link[] = [];
  await wires.listen('h2:1', () => undefined);
  let requests = 0;
  const network: LinkNetwork = {
    ...wires,
    dial: async (address, signal) => {
      const answer = answers[Math.min(requests, answers.length - 1)];
      requests += 1;
      if (answer === 'late') await sleep(clock, lateMs, signal);
      if (answer === 'answered' || answer === 'late') {
        const link = await wires.dial('h2:1', signal);
        links.push(link);
        return link;
      }
      if (answer === 'refused') throw dialError({ address, refused: true }, 'ECONNREFUSED');
      if (answer === 'EHOSTUNREACH') throw dialError({ address, refused: false }, answer);
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
    },
  };
  const verdicts: PathVerdict[] = [];
  const onVerdict = (verdict: PathVerdict): void => void verdicts.push(verdict);
  const open = new PathProbe({ network, clock, address: 'h2:1', againMs, onVerdict });
  await clock.advanceAsync(ms);
  open.close();
  await clock.advanceAsync(5000);
  expect(clock.pendingCount).toBe(0);
  return { verdicts, requests };
}

it('is open where the first request is answered: the peer itself stands still', async () => {
  expect(await probe(['answered'], 5000)).toEqual({ verdicts: ['open'], requests: 1 });
});

it('is open where one request alone was lost', async () => {
  expect((await probe(['lost', 'answered'], 5000)).verdicts).toEqual(['open']);
});

it('is lit where two were lost, and the next one was answered', async () => {
  expect((await probe(['lost', 'lost', 'answered'], 5000)).verdicts).toEqual(['lit']);
  expect((await probe(['lost', 'lost', 'lost', 'answered'], 5000)).verdicts).toEqual(['lit']);
});

it('is lit where a lost one was sent again by the kernel, and the next is answered soon', async () => {
  for (const answers of [
    ['late', 'lost', 'answered'],
    ['lost', 'late', 'lost', 'answered'],
    ['lost', 'lost', 'late', 'lost', 'answered'],
  ] as const) {
    expect((await probe(answers, 5000)).verdicts).toEqual(['lit']);
  }
});

it('is open where each answer is late: the way is long', async () => {
  expect((await probe(['late'], 5000)).verdicts).toEqual(['open']);
});

it('is lit where the machine says that nobody listens: then that is worth a dial', async () => {
  expect((await probe(['refused'], 5000)).verdicts).toEqual(['lit']);
  expect((await probe(['lost', 'refused'], 5000)).verdicts).toEqual(['lit']);
});

it('is not known while this machine itself finds no route, and is asked for again', async () => {
  const { verdicts, requests } = await probe(['EHOSTUNREACH'], 5000);
  expect(verdicts).toEqual([]);
  expect(requests).toBeLessThanOrEqual(5000 / againMs + 1);
  expect((await probe(['EHOSTUNREACH', 'EHOSTUNREACH', 'answered'], 5000)).verdicts).toEqual([
    'open',
  ]);
});

it('says nothing once it is closed', async () => {
  expect((await probe(['lost'], 1200)).verdicts).toEqual([]);
});
