// Settings: which source wins, for every setting; what is refused, and in which words.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { gatherSettings } from './setting-sources.ts';
import {
  flagOfKey,
  liveKeys,
  type SettingKey,
  type SettingRow,
  settingKeys,
  settingTable,
  variableOfKey,
} from './setting-table.ts';
import { readSettings } from './settings.ts';
import { suggestionFor } from './suggestion.ts';

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-settings-'));
  file = join(folder, 'holdfast.yaml');
});

afterEach(() => rmSync(folder, { recursive: true }));

const camel = (key: string): string =>
  key.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** Three different right values of a setting, as text. */
function samples(row: SettingRow): readonly [string, string, string] {
  switch (row.kind) {
    case 'address':
      return ['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3'];
    case 'members':
      return ['a=127.0.0.1:1', 'b=127.0.0.1:2', 'c=127.0.0.1:3'];
    case 'flag':
      return ['true', 'false', 'true'];
    case 'choice':
      return [row.of[0] as string, row.of[1] as string, row.of[2 % row.of.length] as string];
    case 'number':
      return [String(row.lo), String(row.lo + 1), String(row.lo + 2)];
    default:
      return ['one', 'two', 'three'];
  }
}

/** Each line stands for ten times the one before. */
const aliasBomb = Array.from({ length: 9 }, (_, at) =>
  at === 0
    ? 'l0: &l0 x'
    : `l${at}: &l${at} [${Array(10)
        .fill(`*l${at - 1}`)
        .join(', ')}]`,
).join('\n');

const shown = (key: SettingKey, flags: object, variables: object): string => {
  const value = gatherSettings({ ...flags }, { ...variables }).get(key)?.value;
  if (typeof value !== 'object') return String(value);
  return value.map(({ name, address }) => `${name}=${address}`).join(',');
};

describe('every setting', () => {
  it.each(settingKeys)('%s: flag beats variable beats file beats default', (key) => {
    const row: SettingRow = settingTable[key];
    const [flag, variable, inFile] = samples(row);
    const config = { config: file };
    const variables = { [variableOfKey(key)]: variable };
    writeFileSync(file, `${key}: ${JSON.stringify(inFile)}\n`);
    expect(shown(key, { ...config, [camel(key)]: flag }, variables)).toBe(flag);
    expect(shown(key, config, variables)).toBe(variable);
    expect(shown(key, config, {})).toBe(inFile);
    expect(shown(key, {}, { HOLDFAST_CONFIG: file })).toBe(inFile);
    expect(shown(key, {}, {})).toBe(String(row.default));
    expect(row.help.length).toBeGreaterThan(10);
  });

  it.each(settingKeys.filter((key) => settingTable[key].kind !== 'text'))(
    '%s: a wrong value is told with its place',
    (key) => {
      const isNumber = settingTable[key].kind === 'number';
      const wrong = settingTable[key].kind === 'address' ? 'nowhere' : isNumber ? '-1' : '?';
      expect(() => readSettings({ [camel(key)]: wrong, name: 'n1' }, {})).toThrow(
        key === 'join' ? /--join/ : new RegExp(flagOfKey(key)),
      );
    },
  );
});

describe('a file', () => {
  const read = (text: string, flags: Record<string, string> = {}) => {
    writeFileSync(file, text);
    return readSettings({ config: file, ...flags }, {});
  };

  it('takes a cluster as a map and as a list', () => {
    const expected = [
      { name: 'n1', address: '127.0.0.1:4654' },
      { name: 'n2', address: '127.0.0.1:4664' },
    ];
    const map = 'initial-cluster:\n  n1: 127.0.0.1:4654\n  n2: 127.0.0.1:4664\n';
    const list = 'initial-cluster: [n1=127.0.0.1:4654, n2=127.0.0.1:4664]\n';
    expect(read(map).initialCluster).toEqual(expected);
    expect(read(list).initialCluster).toEqual(expected);
  });

  it('may be empty', () => {
    expect(read('# nothing yet\n').name).toBe('n1');
  });

  it.each([
    ['datadir: x\n', 'did you mean data-dir?'],
    ['name: [\n', 'is not YAML'],
    ['- name\n', 'holds no settings'],
    ['insecure: maybe\n', 'insecure in'],
    ['name: n1\n---\nname: n2\n', 'holds several documents'],
    [aliasBomb, 'is not YAML: Excessive alias count'],
    [`# ${'x'.repeat(1024 * 1024)}\n`, 'has over 1 MiB'],
  ])('refuses %j', (text, words) => {
    expect(() => read(text)).toThrow(words);
  });

  it('must be there when it is named', () => {
    expect(() => readSettings({ config: join(folder, 'none.yaml') }, {})).toThrow(
      'can not be read',
    );
  });
});

it.runIf(process.platform === 'linux')('a device is no settings file', () => {
  expect(() => readSettings({ config: '/dev/zero' }, {})).toThrow('has over 1 MiB');
});

describe('combinations', () => {
  const three = 'n1=127.0.0.1:4654,n2=127.0.0.1:4664,n3=127.0.0.1:4674';

  it('start a cluster of one when nothing is said', () => {
    expect(readSettings({}, {})).toMatchObject({
      name: 'n1',
      dataDir: 'n1.holdfast',
      listenClient: '127.0.0.1:4653',
      advertiseClient: '127.0.0.1:4653',
      advertisePeer: '127.0.0.1:4654',
      initialCluster: [{ name: 'n1', address: '127.0.0.1:4654' }],
    });
  });

  it.each([
    [{ flag: 'x' }, 'unknown flag --flag'],
    [{ dataDirr: 'x' }, 'did you mean --data-dir?'],
    [{ name: 'a b' }, 'a name is'],
    [{ name: '../n1' }, 'a name is'],
    [{ dataDir: '' }, '--data-dir needs a value'],
    [{ listenClient: '127.0.0.1' }, '--listen-client'],
    [{ listenClient: '127.0.0.1:99999' }, '--listen-client'],
    [{ initialCluster: 'n1' }, 'NAME=HOST:PORT'],
    [{ initialCluster: `${three},n2=127.0.0.1:1` }, 'names n2 twice'],
    [{ initialCluster: 'n1=127.0.0.1:4654,n2=127.0.0.1:4654' }, 'the same address'],
    [{ initialCluster: three, name: 'n4' }, 'but not this member, n4'],
    [{ initialCluster: three, name: 'n2' }, 'says that n2 is at 127.0.0.1:4664'],
    [{ listenClient: '10.0.0.1:4653' }, '--insecure'],
    [{ listenPeer: 'db.example:4654' }, '--insecure'],
    [{ listenPeer: '0.0.0.0:4654', insecure: true }, 'say in --advertise-peer'],
    [{ advertiseClient: '127.0.0.1:0' }, 'not 0'],
    [{ join: '127.0.0.1:4653', initialCluster: three }, '--join and --initial-cluster'],
    [{ observer: true }, '--observer needs --join'],
    [{ join: '127.0.0.1:4653', joinUser: 'root' }, '--join-user is NAME:PASSWORD'],
    [{ electionMinMs: '1200' }, '--election-min-ms is less'],
    [{ heartbeatMs: '300' }, 'at most a third'],
    [{ pingSilenceMs: '5001' }, '--ping-silence-ms is a whole number from 500 to 5000'],
    [{ connectionStaleMs: '7500' }, '--connection-stale-ms 7500 is too short'],
    [{ connectionIdleMs: '9999' }, 'is less than --connection-check-ms 10000'],
    [{ breakerOpenMs: '3000' }, 'would be given up before it can say how it went'],
  ] as const)('%j is refused', (flags, words) => {
    expect(() => readSettings(flags, {})).toThrow(words);
  });

  it('keep the numbers of connections and breakers that the rules for dark machines give', () => {
    expect(readSettings({}, {}).connections).toEqual({
      connectTimeoutMs: 3000,
      silence: { silenceMs: 4500, pingWaitMs: 1000, failuresMax: 3, ownLagMs: 250 },
      checker: { checkMs: 10_000, idleMs: 30_000, failuresMax: 3, staleMs: 30_000 },
      breaker: { failuresMax: 3, openMs: 30_000 },
      calls: { slowMs: 2000, inFlightMax: 64, bodyBytesMax: 262_144, tellingMs: 3000 },
      slowBreaker: { failuresMax: 3, openMs: 30_000 },
      redialInitialMs: 500,
      redialMaxMs: 1000,
      dialAgainMs: 1000,
      linkLookMs: 500,
    });
  });

  it('open a listener when the danger is said aloud', () => {
    const flags = { listenClient: '10.0.0.1:4653', insecure: true };
    expect(readSettings(flags, {}).listenClient).toBe('10.0.0.1:4653');
    expect(readSettings({ listenClient: '[::1]:4653' }, {}).listenClient).toBe('[::1]:4653');
  });
});

describe('variables', () => {
  it('refuse a misspelt one, and leave those of others alone', () => {
    expect(() => readSettings({}, { HOLDFAST_DATADIR: 'x' })).toThrow('HOLDFAST_DATA_DIR');
    const others = { HOLDFAST_ENDPOINTS: 'x', HOLDFAST_BUILD_NUMBER: '7', PATH: '/bin' };
    expect(readSettings({}, others).name).toBe('n1');
  });
});

describe('the page about settings', () => {
  it('has a row for each, with its default and its meaning', () => {
    const page = readFileSync(new URL('../../../docs/settings.md', import.meta.url), 'utf8');
    const rows = page.split('\n').filter((line) => line.startsWith('| `'));
    expect(rows.length).toBe(settingKeys.length);
    for (const key of settingKeys) {
      const { default: fallback, help } = settingTable[key] as SettingRow;
      const shownDefault = fallback === undefined ? '' : `\`${fallback}\``;
      const row = rows.find((line) => line.startsWith(`| \`${key}\` | ${shownDefault} |`));
      expect(row, key).toContain(help);
    }
  });
});

describe('the settings that may change live', () => {
  it('stand on the page under that head', () => {
    const page = readFileSync(new URL('../../../docs/settings.md', import.meta.url), 'utf8');
    const section = page.slice(page.indexOf('## Changing them while a member runs'));
    for (const key of liveKeys) expect(section).toContain(`\`${key}\``);
  });
});

describe('suggestions', () => {
  it('are near or none', () => {
    expect(suggestionFor('--listen-cleint', ['--listen-client', '--listen-peer'])).toBe(
      '--listen-client',
    );
    expect(suggestionFor('--colour', ['--listen-client'])).toBeUndefined();
  });
});
