import type { TranslationBundle } from '@jupyterlab/translation';
import React, { KeyboardEvent, useEffect, useRef, useState } from 'react';

import { InstanceButtons, OnInstance } from '../instances/buttons';
import { useSignal } from './hooks';
import type { WorkspaceModel } from './model';
import { IRow, navigate, visibleRows } from './rows';
import { State } from './state';

interface ITreeProps {
  model: WorkspaceModel;
  trans: TranslationBundle;
  openRun: (runId: string) => void;
  onInstance: OnInstance;
}

/** Everything in the workspace as one tree, walked with the arrow keys. */
export function Tree({ model, trans, openRun, onInstance }: ITreeProps) {
  useSignal(model.changed);
  const [open, setOpen] = useState<ReadonlySet<string>>(
    new Set(['experiments', 'runs', 'models', 'endpoints', 'computes', 'instances'])
  );
  const [current, setCurrent] = useState('experiments');
  const rows = visibleRows(model, open, trans);
  const index = Math.max(
    rows.findIndex(row => row.id === current),
    0
  );

  const toggle = (row: IRow): void => {
    const next = new Set(open);
    const experiment = row.id.startsWith('experiment:') ? row.label : null;
    if (next.delete(row.id)) {
      if (experiment !== null) {
        model.collapse(experiment);
      }
    } else {
      next.add(row.id);
      if (experiment !== null) {
        void model.expand(experiment);
      }
    }
    setOpen(next);
  };
  const act = (row: IRow): void => {
    setCurrent(row.id);
    if (row.run) {
      openRun(row.run.run_id);
    } else if (row.expanded !== null) {
      toggle(row);
    }
  };
  const moved = useRef(false);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (event.key === 'Enter' || event.key === ' ') {
      if (event.target instanceof HTMLButtonElement) {
        return; // It is the button that is pressed.
      }
      act(rows[index]);
      event.preventDefault();
      return;
    }
    const next = navigate(rows, index, event.key);
    if (next) {
      event.preventDefault();
      if ('toggle' in next) {
        toggle(rows[index]);
      } else {
        moved.current = true;
        setCurrent(rows[next.focus].id);
      }
    }
  };
  return (
    <ul
      className="jp-mlws-Tree"
      role="tree"
      aria-label={trans.__('Workspace')}
      onKeyDown={onKeyDown}
    >
      {rows.map((row, place) => (
        <Line
          key={row.id}
          row={row}
          trans={trans}
          isCurrent={place === index}
          takeFocus={place === index && moved.current}
          onClick={() => act(row)}
          onInstance={onInstance}
        />
      ))}
    </ul>
  );
}

interface ILineProps {
  row: IRow;
  trans: TranslationBundle;
  isCurrent: boolean;
  takeFocus: boolean;
  onClick: () => void;
  onInstance: OnInstance;
}

function Line({ row, trans, isCurrent, takeFocus, onClick, onInstance }: ILineProps) {
  const node = useRef<HTMLLIElement>(null);
  useEffect(() => {
    // Only a key moves the focus: a refresh must not take it from where the user is.
    if (takeFocus) {
      node.current?.focus();
    }
  }, [takeFocus, isCurrent]);
  return (
    <li
      ref={node}
      role="treeitem"
      aria-level={row.level}
      aria-expanded={row.expanded ?? undefined}
      aria-selected={isCurrent}
      tabIndex={isCurrent ? 0 : -1}
      className={`jp-mlws-Line jp-mod-level${row.level} ${row.wraps ? 'jp-mod-wraps' : ''}`}
      title={row.title}
      onClick={onClick}
    >
      <span className="jp-mlws-Line-twist" aria-hidden="true">
        {row.expanded === null ? '' : row.expanded ? '▾' : '▸'}
      </span>
      {row.state && <State state={row.state} trans={trans} />}
      <span className="jp-mlws-Line-label">{row.label}</span>
      <span className="jp-mlws-Line-detail">{row.detail}</span>
      {row.instance && (
        <InstanceButtons
          instance={row.instance}
          trans={trans}
          isCurrent={isCurrent}
          onInstance={onInstance}
        />
      )}
    </li>
  );
}
