import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

/** A shape and a colour for each state; the word is there too, for those who see neither. */
const LOOKS: Record<string, { shape: string; look: string }> = {
  Completed: { shape: '✔', look: 'good' },
  Healthy: { shape: '✔', look: 'good' },
  Failed: { shape: '✖', look: 'bad' },
  Unhealthy: { shape: '✖', look: 'bad' },
  Canceled: { shape: '■', look: 'over' },
  Running: { shape: '▶', look: 'busy' },
  Finalizing: { shape: '▶', look: 'busy' },
  NotResponding: { shape: '?', look: 'bad' },
  Stopped: { shape: '■', look: 'over' },
  CreateFailed: { shape: '✖', look: 'bad' },
  SetupFailed: { shape: '✖', look: 'bad' },
  UserSetupFailed: { shape: '✖', look: 'bad' },
  Unusable: { shape: '✖', look: 'bad' },
  Unknown: { shape: '?', look: 'bad' }
};
const WAITING = { shape: '…', look: 'waiting' };

export function State(props: {
  state: string;
  trans: TranslationBundle;
  word?: boolean;
}) {
  const { shape, look } = LOOKS[props.state] ?? WAITING;
  const word = props.trans.__(props.state);
  return (
    <span className={`jp-mlws-State jp-mod-${look}`} title={word}>
      <span aria-hidden="true">{shape}</span>{' '}
      <span className={props.word ? undefined : 'jp-mlws-unseen'}>{word}</span>
    </span>
  );
}

export function isOver(state: string): boolean {
  return ['Completed', 'Failed', 'Canceled'].includes(state);
}
