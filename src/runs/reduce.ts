import type { MetricSeries } from '../api/schema';

/** The columns of a chart: positions, then values with gaps where there is no number. */
export type Columns = [number[], (number | null)[]];

/**
 * A series as chart columns of at most about `limit` points. Each stretch keeps its least and its
 * greatest value, so that no spike is lost.
 */
export function columns(series: MetricSeries, byTime: boolean, limit = 2000): Columns {
  const positions = byTime ? series.times.map(time => time / 1000) : series.steps;
  const order = positions
    .map((_, index) => index)
    .sort((a, b) => positions[a] - positions[b]);
  const values = series.values.map(value => (typeof value === 'number' ? value : null));
  const kept = order.length <= limit ? order : extremes(order, values, limit);
  return [kept.map(index => positions[index]), kept.map(index => values[index])];
}

function extremes(order: number[], values: (number | null)[], limit: number): number[] {
  const size = Math.ceil(order.length / (limit / 2));
  const kept: number[] = [];
  for (let start = 0; start < order.length; start += size) {
    const bucket = order.slice(start, start + size);
    let low = bucket[0];
    let high = bucket[0];
    for (const index of bucket) {
      const value = values[index];
      if (value !== null && value < (values[low] ?? Infinity)) {
        low = index;
      }
      if (value !== null && value > (values[high] ?? -Infinity)) {
        high = index;
      }
    }
    const [first, second] =
      order.indexOf(low, start) <= order.indexOf(high, start)
        ? [low, high]
        : [high, low];
    kept.push(first);
    if (second !== first) {
      kept.push(second);
    }
  }
  return kept;
}

/** The points of a sparkline as SVG coordinates in a box of `width` by `height`. */
export function sparkline(
  values: (number | null)[],
  width: number,
  height: number
): string {
  const numbers = values.filter((value): value is number => value !== null);
  const low = Math.min(...numbers);
  const span = Math.max(...numbers) - low || 1;
  const stride = width / Math.max(numbers.length - 1, 1);
  return numbers
    .map((value, index) => {
      const y = height - ((value - low) / span) * height;
      return `${(index * stride).toFixed(1)},${y.toFixed(1)}`;
    })
    .join(' ');
}
