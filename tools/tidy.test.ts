// The house rules as a test: the repository is read once, each rule judges it, and each rule is
// judged by its own bad and good samples first. A finding is printed with the rule's reason.
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exceptions } from './tidy/exceptions.ts';
import { House } from './tidy/house.ts';
import { readHouse } from './tidy/read-house.ts';
import type { Rule } from './tidy/rule.ts';
import { rules } from './tidy/rules.ts';

const house = readHouse(resolve(import.meta.dirname, '..'));

const isExcepted = (rule: Rule, path: string): boolean =>
  exceptions.some((exception) => exception.rule === rule.name && exception.path === path);

describe.each(rules)('house rule $name', (rule) => {
  it('catches its bad samples and lets the good ones pass', () => {
    for (const sample of rule.bad) {
      expect(rule.check(new House(sample)), `must be caught: ${print(sample)}`).not.toEqual([]);
    }
    for (const sample of rule.good) {
      expect(rule.check(new House(sample)), `must pass: ${print(sample)}`).toEqual([]);
    }
    expect(rule.bad).not.toEqual([]);
  });

  it('holds in the house', () => {
    const findings = rule.check(house).filter(({ path }) => !isExcepted(rule, path));
    const lines = findings.map(({ path, line, message }) => `${path}:${line}  ${message}`);
    if (lines.length > 0) throw new Error(`${rule.reason}\n  ${lines.join('\n  ')}\n`);
  });
});

describe('the house', () => {
  it('is read whole, and parses', () => {
    expect(house.packages.length).toBeGreaterThan(10);
    expect(house.modules.length).toBeGreaterThan(20);
    for (const { path } of house.sources) {
      expect(house.parsed(path).syntaxErrors, path).toEqual([]);
    }
  });

  it('needs each of its exceptions', () => {
    for (const { rule: name, path, reason } of exceptions) {
      const rule = rules.find((candidate) => candidate.name === name);
      const found = rule?.check(house).some((finding) => finding.path === path) ?? false;
      expect(found, `${name} no longer needs the exception for ${path}`).toBe(true);
      expect(reason).toMatch(/^[A-Z].*\.$/s);
    }
  });
});

const print = (sample: object): string => JSON.stringify(sample).slice(0, 300);
