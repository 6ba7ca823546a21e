// Goal: each fault is the rule that it should be, and healing takes away neither more nor less.
import { describe, expect, it } from 'vitest';
import { Faults } from './faults.ts';

const rulesOf = (faults: Faults): readonly string[] =>
  faults
    .ruleset()
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.endsWith('drop'));

describe('faults', () => {
  it('are no rule at first, in a table that replaces the one before', () => {
    expect(new Faults().ruleset()).toBe(
      [
        'table bridge dark',
        'delete table bridge dark',
        'table bridge dark {',
        '  chain forward {',
        '    type filter hook forward priority 0; policy accept;',
        '  }',
        '}',
        '',
      ].join('\n'),
    );
  });

  it('cut what a machine sends, what it hears, and one direction of a pair', () => {
    const faults = new Faults();
    faults.cut({ from: 'n1' });
    faults.cut({ to: 'n2' });
    faults.cut({ from: 'n3', to: 'n4' });
    expect(rulesOf(faults)).toEqual([
      'iifname "n1" counter drop',
      'oifname "n2" counter drop',
      'iifname "n3" oifname "n4" counter drop',
    ]);
  });

  it('lose a share of the frames, and the last word about a direction counts', () => {
    const faults = new Faults();
    faults.lose({ from: 'n1', to: 'n2' }, 5);
    faults.lose({ from: 'n1', to: 'n2' }, 0.5);
    expect(rulesOf(faults)).toEqual([
      'iifname "n1" oifname "n2" numgen random mod 10000 < 50 counter drop',
    ]);
    faults.lose({ from: 'n1', to: 'n2' }, 0);
    expect(rulesOf(faults)).toEqual([]);
  });

  it('heal a machine with all that it has a part in', () => {
    const faults = new Faults();
    faults.cut({ from: 'n1' });
    faults.cut({ from: 'n2', to: 'n1' });
    faults.cut({ from: 'n2', to: 'n3' });
    faults.heal('n1');
    expect(rulesOf(faults)).toEqual(['iifname "n2" oifname "n3" counter drop']);
    faults.healAll();
    expect(rulesOf(faults)).toEqual([]);
  });

  it('heal a pair and leave what one of them has with all', () => {
    const faults = new Faults();
    faults.cut({ from: 'n1' });
    faults.cut({ from: 'n1', to: 'n2' });
    faults.cut({ from: 'n2', to: 'n1' });
    faults.healPair('n2', 'n1');
    expect(rulesOf(faults)).toEqual(['iifname "n1" counter drop']);
  });

  it.each([-1, 101, Number.NaN])('refuse a loss of %s per cent', (percent) => {
    expect(() => new Faults().lose({ from: 'n1' }, percent)).toThrow('0 to 100 per cent');
  });

  it('refuse to touch nobody in particular', () => {
    expect(() => new Faults().cut({})).toThrow('names who sends');
  });
});
