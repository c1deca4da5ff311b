import { describe, expect, it } from 'vitest';

import { inSight, LINE_HEIGHT, placeOf, TALLEST } from '../lines';

describe('the lines in sight', () => {
  it('are those at the scroll position', () => {
    expect(inSight(0, 180, 1000)).toMatchObject({ first: 0, count: 11, shift: 0 });
    expect(inSight(90, 180, 1000)).toMatchObject({ first: 5, shift: 90 });
  });

  it('end with the last line at the end, also of a log that is too tall', () => {
    for (const total of [100, 1_000_000, 50_000_000]) {
      const tall = Math.min(total * LINE_HEIGHT, TALLEST);
      const { first, count } = inSight(tall - 180, 180, total);
      expect(first).toBe(total - 10);
      expect(first + count).toBeGreaterThanOrEqual(total);
    }
  });

  it('begin with the line that was jumped to', () => {
    for (const total of [1000, 1_000_000, 50_000_000]) {
      for (const line of [0, 1, Math.floor(total / 3), total - 200]) {
        const { first } = inSight(placeOf(line, 180, total), 180, total);
        expect(Math.abs(first - line)).toBeLessThanOrEqual(1);
      }
    }
  });

  it('are all where they are few', () => {
    expect(inSight(0, 600, 3)).toMatchObject({ first: 0, shift: 0, tall: 54 });
  });
});
