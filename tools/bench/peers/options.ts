// What the command line says.
import { parseArgs } from 'node:util';

import type { SystemName } from './peer-system.ts';

export const usage = `npm run bench:peers -- [options]
  --rounds N       of each measurement, of which the median is told (default 5)
  --seconds S      of load in a round (default 4)
  --warmup S       of each way of asking, before anything is measured (default 5)
  --only REGEX     of the measurements those whose names it finds, as 'put' or '64 / 6'
  --systems A,B    of etcd, holdfast and zookeeper (default all that are there)
  --minutes M      after which it measures nothing more and tells what it has (default 120)
  --write          puts the tables into docs/benchmarks.md, and the picture into docs/images
`;

export type Options = {
  readonly rounds: number;
  readonly roundMs: number;
  readonly warmupMs: number;
  readonly only: RegExp;
  readonly systems: readonly SystemName[];
  readonly minutes: number;
  readonly write: boolean;
};

const systemNames: readonly SystemName[] = ['etcd', 'holdfast', 'zookeeper'];

export function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '4' },
      warmup: { type: 'string', default: '5' },
      only: { type: 'string', default: '' },
      systems: { type: 'string', default: systemNames.join(',') },
      minutes: { type: 'string', default: '120' },
      write: { type: 'boolean', default: false },
    },
  });
  const positive = (name: 'rounds' | 'seconds' | 'warmup' | 'minutes'): number => {
    const value = Number(values[name]);
    if (!(value > 0)) throw new Error(`--${name} is a number above zero`);
    return value;
  };
  return {
    rounds: Math.ceil(positive('rounds')),
    roundMs: positive('seconds') * 1000,
    warmupMs: positive('warmup') * 1000,
    only: new RegExp(values.only),
    systems: values.systems.split(',').map(systemNamed),
    minutes: positive('minutes'),
    write: values.write,
  };
}

function systemNamed(name: string): SystemName {
  const found = systemNames.find((one) => one === name);
  if (!found) throw new Error(`--systems knows no ${name}`);
  return found;
}
