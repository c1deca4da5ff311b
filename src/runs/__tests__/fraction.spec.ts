import { describe, expect, it } from 'vitest';

import { fraction } from '../fraction';

describe('how far a run has come', () => {
  it('counts the bar of the present cell as a part of that cell', () => {
    const bar = { label: '', done: 5, total: 10 };
    expect(fraction({ done: 1, total: 4, bar })).toBe(0.375);
    expect(fraction({ done: 1, total: 4 })).toBe(0.25);
  });

  it('is that of the bar where there are no cells, and unknown without one', () => {
    expect(
      fraction({ done: 0, total: 0, bar: { label: '', done: 5, total: 10 } })
    ).toBe(0.5);
    expect(fraction({ done: 0, total: 0 })).toBe(null);
  });

  it('never passes the whole', () => {
    const bar = { label: '', done: 20, total: 10 };
    expect(fraction({ done: 3, total: 4, bar })).toBe(1);
  });
});
