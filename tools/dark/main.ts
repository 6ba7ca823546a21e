// `npm run dark`: a cluster in the rig for the dark, steered by hand. Reads a command a line from
// standard input; the end of the input, or `quit`, removes everything.
import { createInterface } from 'node:readline';
import { messageOf } from '@holdfast/base/errors';
import { DarkCluster } from '../../tests/support/dark-cluster.ts';
import type { DarkMember } from '../../tests/support/dark-member.ts';
import { whyNoDark } from '../lib/dark-support.mjs';

type Command = {
  readonly usage: string;
  readonly run: (cluster: DarkCluster, args: readonly string[]) => unknown;
};

const commands: Readonly<Record<string, Command>> = {
  cut: { usage: 'n1', run: ({ rig }, [name]) => rig.cut(need(name)) },
  pair: { usage: 'n1 n2', run: ({ rig }, [a, b]) => rig.cutPair(need(a), need(b)) },
  mute: { usage: 'n1', run: ({ rig }, [from]) => rig.cutDirection({ from: need(from) }) },
  deafen: { usage: 'n1', run: ({ rig }, [to]) => rig.cutDirection({ to: need(to) }) },
  oneway: {
    usage: 'n1 n2 (n2 hears nothing of n1)',
    run: ({ rig }, [from, to]) => rig.cutDirection({ from: need(from), to: need(to) }),
  },
  loss: {
    usage: 'n1 5 (per cent of what it is sent)',
    run: ({ rig }, [to, percent]) => rig.loss({ to: need(to) }, Number(percent)),
  },
  throttle: {
    usage: 'n1 1000 (kbit/s that it hears; no number: no limit)',
    run: ({ rig }, [name, kbit]) =>
      rig.throttle(need(name), kbit === undefined ? {} : { hearsKbit: Number(kbit) }),
  },
  heal: {
    usage: '[n1] (all machines, if none is named)',
    run: ({ rig }, [name]) => (name === undefined ? rig.healAll() : rig.heal(name)),
  },
  freeze: { usage: 'n1', run: (cluster, [name]) => memberOf(cluster, name).freeze() },
  wake: { usage: 'n1', run: (cluster, [name]) => memberOf(cluster, name).wake() },
  kill: { usage: 'n1', run: (cluster, [name]) => memberOf(cluster, name).kill() },
  start: { usage: 'n1', run: (cluster, [name]) => memberOf(cluster, name).start() },
  rules: { usage: '', run: async ({ rig }) => say(await rig.rules()) },
  get: {
    usage: 'n1 /v1/cluster',
    run: async (cluster, [name, path]) =>
      say(await (await memberOf(cluster, name).get(need(path))).text()),
  },
};

async function main(size: number): Promise<void> {
  const why = whyNoDark();
  if (why !== undefined) throw new Error(`no rig for the dark here: ${why}`);
  await using cluster = await DarkCluster.start(size);
  for (const { name, url, machine } of cluster.members) {
    say(`${name}  ${url}  ip netns exec ${machine.plan.namespace} curl ${url}/readyz`);
  }
  say(
    `${Object.entries(commands)
      .map(([name, { usage }]) => `  ${name} ${usage}`)
      .join('\n')}`,
  );
  const lines = createInterface({ input: process.stdin });
  process.once('SIGINT', () => lines.close());
  for await (const line of lines) {
    const [word = '', ...args] = line.trim().split(/\s+/);
    if (word === 'quit') break;
    if (word !== '') await obey(cluster, word, args);
  }
}

async function obey(cluster: DarkCluster, word: string, args: readonly string[]): Promise<void> {
  const command = commands[word];
  try {
    if (!command) throw new Error(`one of ${Object.keys(commands).join(', ')}, or quit`);
    await command.run(cluster, args);
    say(`${word}: done`);
  } catch (error) {
    say(`${word}: ${messageOf(error)}`);
  }
}

function need(argument: string | undefined): string {
  if (argument === undefined) throw new Error('something is missing');
  return argument;
}

function memberOf(cluster: DarkCluster, name: string | undefined): DarkMember {
  const member = cluster.members.find((one) => one.name === name);
  if (!member) throw new Error(`no member is called ${name}`);
  return member;
}

const say = (words: string): boolean => process.stdout.write(`${words.trimEnd()}\n`);

await main(Number(process.argv[2] ?? 4));
