import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import type { Progress } from '../api/schema';
import { duration, metric } from '../format';
import { fraction } from './fraction';

/** How far a run has come: its cells, and the bar that its code shows. */
export function RunProgress(props: { progress: Progress; trans: TranslationBundle }) {
  const { progress, trans } = props;
  const value = fraction(progress);
  return (
    <p>
      <progress value={value ?? undefined} max={1} aria-label={trans.__('Progress')} />{' '}
      {progressText(progress, trans)}
    </p>
  );
}

export function progressText(progress: Progress, trans: TranslationBundle): string {
  const { done, total, bar } = progress;
  const words = total > 0 ? [trans.__('%1 of %2 cells', done, total)] : [];
  if (bar) {
    const counted = trans.__('%1 of %2', metric(bar.done), metric(bar.total));
    const left =
      typeof bar.seconds_left === 'number'
        ? trans.__('%1 left', duration(bar.seconds_left * 1000))
        : '';
    words.push([bar.label, counted, left].filter(Boolean).join(' '));
  }
  return words.join(' · ');
}
