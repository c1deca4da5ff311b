import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import type { InstanceInfo } from '../api/schema';
import { actionsOf, InstanceAction } from './rows';

export type OnInstance = (name: string, action: InstanceAction) => void;

const SHAPES: Record<InstanceAction, string> = {
  start: '▶',
  open: '↗',
  stop: '■',
  restart: '↻',
  delete: '✖'
};

export function actionLabel(action: InstanceAction, trans: TranslationBundle): string {
  switch (action) {
    case 'start':
      return trans.__('Start');
    case 'open':
      return trans.__('Open');
    case 'stop':
      return trans.__('Stop');
    case 'restart':
      return trans.__('Restart');
    case 'delete':
      return trans.__('Delete');
  }
}

/** What can be asked of an instance. By keyboard they are reached from its line alone. */
export function InstanceButtons(props: {
  instance: InstanceInfo;
  trans: TranslationBundle;
  isCurrent: boolean;
  onInstance: OnInstance;
}) {
  const { instance, trans, isCurrent, onInstance } = props;
  return (
    <span className="jp-mlws-Instance-buttons">
      {actionsOf(instance).map(action => {
        const label = actionLabel(action, trans);
        return (
          <button
            key={action}
            type="button"
            className="jp-mlws-Instance-button"
            tabIndex={isCurrent ? 0 : -1}
            title={label}
            aria-label={`${label} ${instance.name}`}
            onClick={event => {
              event.stopPropagation();
              onInstance(instance.name, action);
            }}
          >
            <span aria-hidden="true">{SHAPES[action]}</span>
          </button>
        );
      })}
    </span>
  );
}
