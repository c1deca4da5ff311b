import { columns, sparkline } from '../reduce';

const series = (values: (number | 'NaN')[]) => ({
  name: 'loss',
  steps: values.map((_, index) => index),
  times: values.map((_, index) => 1000 * index),
  values
});

describe('columns', () => {
  it('leaves a gap where there is no number', () => {
    expect(columns(series([1, 'NaN', 3]), false)).toEqual([
      [0, 1, 2],
      [1, null, 3]
    ]);
  });

  it('gives times in seconds', () => {
    expect(columns(series([1, 2]), true)[0]).toEqual([0, 1]);
  });

  it('puts points in the order of their steps', () => {
    const mixed = { ...series([1, 2]), steps: [5, 3] };
    expect(columns(mixed, false)).toEqual([
      [3, 5],
      [2, 1]
    ]);
  });

  it('loses no spike when it has to leave points out', () => {
    const values = Array.from({ length: 100_000 }, () => 1);
    values[54_321] = 1000;
    values[70_000] = -1000;
    const [, kept] = columns(series(values), false, 500);
    expect(kept.length).toBeLessThanOrEqual(502);
    expect(kept).toContain(1000);
    expect(kept).toContain(-1000);
  });
});

describe('sparkline', () => {
  it('fills its box from corner to corner', () => {
    expect(sparkline([0, 1], 10, 4)).toBe('0.0,4.0 10.0,0.0');
  });

  it('is flat for a constant', () => {
    expect(sparkline([2, 2], 10, 4)).toBe('0.0,4.0 10.0,4.0');
  });
});
