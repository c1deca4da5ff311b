import { describe, expect, it } from 'vitest';

import type { Progress } from '../../api/schema';
import { fraction } from '../fraction';

function progress(
  done: number,
  total: number,
  bar?: [done: number, total: number]
): Progress {
  const shown = bar && {
    label: '',
    done: bar[0],
    total: bar[1],
    seconds_left: null
  };
  return { done, total, label: '', bar: shown ?? null };
}

describe('how far a run has come', () => {
  it('counts the bar of the present cell as a part of that cell', () => {
    expect(fraction(progress(1, 4, [5, 10]))).toBe(0.375);
    expect(fraction(progress(1, 4))).toBe(0.25);
  });

  it('is that of the bar where there are no cells, and unknown without one', () => {
    expect(fraction(progress(0, 0, [5, 10]))).toBe(0.5);
    expect(fraction(progress(0, 0))).toBe(null);
  });

  it('never passes the whole', () => {
    expect(fraction(progress(3, 4, [20, 10]))).toBe(1);
  });
});
