import { bytes, duration, metric } from '../format';

describe('format', () => {
  it('tells durations in the unit that fits', () => {
    expect(duration(1234)).toBe('1.2 s');
    expect(duration(83_000)).toBe('1 min 23 s');
    expect(duration(2 * 3600_000 + 5 * 60_000)).toBe('2 h 5 min');
    expect(duration(-5)).toBe('0.0 s');
  });

  it('tells sizes in powers of 1024', () => {
    expect(bytes(0)).toBe('0 B');
    expect(bytes(1536)).toBe('1.5 KiB');
  });

  it('keeps six digits of a metric, and the names of what is no number', () => {
    expect(metric(0.123456789)).toBe('0.123457');
    expect(metric(1e-9)).toBe('1e-9');
    expect(metric('NaN')).toBe('NaN');
  });
});
