import type { Progress } from '../api/schema';

/** Between 0 and 1, null where it can't be said. */
export function fraction({ done, total, bar }: Progress): number | null {
  const part = bar && bar.total > 0 ? Math.min(bar.done / bar.total, 1) : 0;
  if (total > 0) {
    return Math.min((done + part) / total, 1);
  }
  return bar ? part : null;
}
