// Goal: a rig's names and addresses are sound, and its commands make what the header promises.
import { describe, expect, it } from 'vitest';
import { hubBatch, machineBatch, namespaceBatch, planRig } from './plan.ts';

const owner = { pid: 7, rig: 1 };
const plan = planRig(owner, ['n1', 'n2', 'n3']);

describe('the plan of a rig', () => {
  it('gives each machine a namespace, an address and a card of its own', () => {
    expect(plan.machines[1]).toEqual({
      name: 'n2',
      namespace: 'hf-dark-7-1-n2',
      address: '10.77.0.2',
      mac: '02:00:0a:4d:00:02',
    });
    expect(namespaceBatch(plan)).toEqual(
      ['n1', 'n2', 'n3'].map((name) => `netns add hf-dark-7-1-${name}`),
    );
  });

  it('plugs each machine into the bridge', () => {
    expect(hubBatch(plan)).toContain(
      'link add name n3 type veth peer name eth0 address 02:00:0a:4d:00:03 netns hf-dark-7-1-n3',
    );
    expect(hubBatch(plan)).toContain('link set dev n3 master br0 up');
  });

  it('tells each machine the cards of all others, for ever', () => {
    const [, second] = plan.machines;
    const neighbours = machineBatch(plan, second as never).filter((line) =>
      line.startsWith('neigh'),
    );
    expect(neighbours).toEqual([
      'neigh replace 10.77.0.1 lladdr 02:00:0a:4d:00:01 dev eth0 nud permanent',
      'neigh replace 10.77.0.3 lladdr 02:00:0a:4d:00:03 dev eth0 nud permanent',
    ]);
  });

  it.each(['hub', 'br0', 'lo', 'N1', '1n', 'a"b', '', 'sixteen-long-abc'])(
    'refuses "%s" as a name',
    (name) => {
      expect(() => planRig(owner, [name])).toThrow('no name for a machine');
    },
  );

  it('refuses a name that stands twice', () => {
    expect(() => planRig(owner, ['n1', 'n1'])).toThrow('stands twice');
  });
});
