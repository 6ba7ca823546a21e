// Goal: what is handed to those who install Holdfast fits what it does. Method: the files as text,
// against the table of exit codes, the settings and the house; systemd's own checker where it is.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorTable } from '@holdfast/server/errors';
import { settingKeys, variableOfKey } from '@holdfast/server/setting-table';
import { describe, expect, it } from 'vitest';

const root = new URL('..', import.meta.url).pathname;
const text = (path: string): string => readFileSync(join(root, path), 'utf8');

describe('the unit for systemd', () => {
  const unit = text('deploy/systemd/holdfast.service');
  const values = (key: string): readonly string[] =>
    [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value as string);

  it('starts again what may go better, and nothing else', () => {
    expect(values('Restart')).toEqual(['on-failure']);
    const never = values('RestartPreventExitStatus')[0]?.split(' ').map(Number);
    const { removed, corrupt } = errorTable;
    const settings = errorTable['invalid-argument'];
    expect(never).toEqual([settings, removed, corrupt].map(({ exitCode }) => exitCode));
    for (const code of ['unavailable', 'failed-precondition', 'internal', 'disk-full'] as const) {
      expect(never).not.toContain(errorTable[code].exitCode);
    }
    expect(Number(values('StartLimitBurst')[0])).toBeGreaterThan(1);
  });

  it('has no right that a member does not need, and leaves time for a clean stop', () => {
    for (const key of ['NoNewPrivileges', 'ProtectHome', 'PrivateTmp', 'PrivateDevices']) {
      expect(values(key)).toEqual(['yes']);
    }
    expect(values('ProtectSystem')).toEqual(['strict']);
    expect(values('CapabilityBoundingSet')).toEqual(['']);
    expect(values('User')).toEqual(['holdfast']);
    expect(values('StateDirectory')).toEqual(['holdfast']);
    expect(Number(values('TimeoutStopSec')[0])).toBeGreaterThanOrEqual(30);
    expect(values('KillSignal')).toEqual(['SIGTERM']);
    expect(values('ExecReload')[0]).toContain('-HUP');
  });

  const analyze = '/usr/bin/systemd-analyze';
  it.skipIf(!existsSync(analyze))('is one that systemd takes', () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-unit-'));
    try {
      const path = join(folder, 'holdfast.service');
      // The command is not installed here.
      writeFileSync(path, unit.replace('/usr/bin/holdfast', '/bin/true'));
      const said = execFileSync(analyze, ['verify', '--man=no', path], { stdio: 'pipe' });
      expect(String(said)).toBe('');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('the Dockerfile', () => {
  const lines = text('deploy/docker/Dockerfile')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const of = (instruction: string): readonly string[] =>
    lines.flatMap((line) =>
      line.startsWith(`${instruction} `) ? (line.split(/ (.*)/)[1] ?? '') : [],
    );

  it('holds known instructions, of images that are pinned', () => {
    const known =
      /^(FROM|WORKDIR|COPY|RUN|LABEL|USER|ENV|VOLUME|EXPOSE|STOPSIGNAL|ENTRYPOINT|CMD) \S/;
    for (const line of lines) expect(line).toMatch(known);
    const { engines } = JSON.parse(text('package.json')) as { engines: { node: string } };
    const least = engines.node.replace('>=', '');
    for (const image of of('FROM')) expect(image).toMatch(new RegExp(`^node:${least}[-.]`));
  });

  it('runs the command as a user without rights, ended by a signal that it knows', () => {
    const last = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')));
    const userAt = last.findIndex((line) => line.startsWith('USER '));
    expect(last[userAt]).toBe('USER holdfast');
    expect(last.slice(userAt).some((line) => line.startsWith('RUN '))).toBe(false);
    const [entry] = of('ENTRYPOINT').map((value) => JSON.parse(value) as string[]);
    const [node, ...words] = entry ?? [];
    const command = words.at(-1)?.replace('/opt/holdfast/', '') ?? 'none';
    expect(existsSync(join(root, command))).toBe(true);
    // It is run with what its first line asks for.
    const [first] = text(command).split('\n');
    expect([node, ...words.slice(0, -1)].join(' ')).toBe(first?.replace('#!/usr/bin/env -S ', ''));
    expect(JSON.parse(of('CMD')[0] ?? '')).toContain('start');
    expect(of('STOPSIGNAL')).toEqual(['SIGTERM']);
    expect(of('EXPOSE')).toEqual(['4653 4654']);
  });

  it('copies what was built, and sets variables that a member knows', () => {
    const from = of('COPY').filter((value) => value.startsWith('--from=build'));
    for (const value of from) {
      const [, source = '', target = ''] = value.split(' ');
      expect(existsSync(join(root, source.replace('/build/', '')))).toBe(true);
      expect(target).toMatch(/^\/opt\/holdfast\//);
    }
    const variables = settingKeys.map(variableOfKey);
    for (const value of of('ENV')) expect(variables).toContain(value.split('=')[0]);
  });
});

describe('the dashboard for Grafana', () => {
  type Panel = {
    readonly id: number;
    readonly type: string;
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly w: number };
    readonly targets?: readonly { readonly expr: string; readonly refId: string }[];
  };
  const dashboard = JSON.parse(text('deploy/grafana/holdfast.json')) as {
    readonly schemaVersion: number;
    readonly panels: readonly Panel[];
  };

  it('has the shape that Grafana reads', () => {
    const { panels, schemaVersion } = dashboard;
    expect(schemaVersion).toBeGreaterThan(30);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const { type, title, gridPos, targets } of panels) {
      expect(['row', 'stat', 'timeseries']).toContain(type);
      expect(title).not.toBe('');
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      if (type !== 'row') expect(targets?.length).toBeGreaterThan(0);
      for (const { expr } of targets ?? []) expect(expr).toContain('{job=~"$job"}');
    }
  });
});
