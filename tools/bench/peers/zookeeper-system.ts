// ZooKeeper, as Debian packages it (zookeeper), with the settings of its example.
import { existsSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';

import type { Command, MemberPlan, PeerSystem, Role } from './peer-system.ts';

const java = '/usr/bin/java';
/** Names all others that it needs. */
const jar = '/usr/share/java/zookeeper.jar';
const askWithinMs = 2000;

export class ZookeeperSystem implements PeerSystem {
  readonly name = 'zookeeper';

  version(): string | undefined {
    if (!existsSync(java) || !existsSync(jar)) return undefined;
    const versions = readdirSync(dirname(jar)).map((name) => /^zookeeper-(\d.*)\.jar$/.exec(name));
    return versions.find((found) => found)?.[1] ?? 'of an unknown version';
  }

  async prepare(plan: MemberPlan, all: readonly MemberPlan[]): Promise<void> {
    const servers = all.map((one) => `server.${one.number}=${one.peer}:${portOf(one.election)}`);
    const [host, port] = plan.client.split(':') as [string, string];
    const lines = [
      ...['tickTime=2000', 'initLimit=10', 'syncLimit=5'],
      ...[`dataDir=${plan.data}`, `clientPortAddress=${host}`, `clientPort=${port}`],
      // Of one address, which all clients have here.
      'maxClientCnxns=0',
      'admin.enableServer=false',
      ...servers,
    ];
    await writeFile(join(plan.data, 'zoo.cfg'), `${lines.join('\n')}\n`);
    await writeFile(join(plan.data, 'myid'), `${plan.number}\n`);
  }

  command(plan: MemberPlan): Command {
    const main = 'org.apache.zookeeper.server.quorum.QuorumPeerMain';
    return { program: java, args: ['-cp', jar, main, join(plan.data, 'zoo.cfg')] };
  }

  async role(plan: MemberPlan): Promise<Role | undefined> {
    const mode = /^Mode: (\w+)$/m.exec(await ask(plan.client, 'srvr'))?.[1];
    return mode === 'leader' || mode === 'follower' ? mode : undefined;
  }

  async compact(): Promise<void> {
    // It keeps no history of values.
  }
}

const portOf = (endpoint: string): string => endpoint.split(':')[1] as string;

/** A command of four letters; what the member says to it, nothing where it does not listen. */
async function ask(endpoint: string, command: string): Promise<string> {
  const [host, port] = endpoint.split(':') as [string, string];
  return await new Promise((resolve) => {
    let answer = '';
    const socket = connect({ host, port: Number(port), timeout: askWithinMs });
    socket.on('data', (part) => {
      answer += part.toString('latin1');
    });
    socket.on('timeout', () => socket.destroy());
    socket.on('error', () => undefined); // Not listening yet: its close follows.
    socket.on('close', () => resolve(answer));
    socket.write(command);
  });
}
