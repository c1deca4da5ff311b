import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import React from 'react';

import { duration, metric } from '../format';
import { useSignal } from '../workspace/hooks';
import type { WorkspaceModel } from '../workspace/model';
import { State } from '../workspace/state';
import { RunData } from './data';
import { RunProgress } from './progress';
import { columns, sparkline } from './reduce';

export const RUN_TYPE = 'application/vnd.ml-workspace-lab.run+json';

export interface ICardOptions {
  workspace: WorkspaceModel;
  trans: TranslationBundle;
  sanitizer: IRenderMime.ISanitizer;
  open: (runId: string) => void;
  cancel: (runId: string) => void;
}

/**
 * A run's card in a cell's output. It asks the server and not the kernel, so it is live after a
 * reload too; where the server doesn't know the run, the HTML beside it is shown.
 */
export class RunCard extends ReactWidget implements IRenderMime.IRenderer {
  constructor(private readonly options: ICardOptions) {
    super();
    this.addClass('jp-mlws-Card');
  }

  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const data = model.data[RUN_TYPE] as { run_id?: unknown } | undefined;
    const runId = typeof data?.run_id === 'string' ? data.run_id : '';
    const html = model.data['text/html'];
    this.fallback = typeof html === 'string' ? html : '';
    if (this.run?.runId !== runId) {
      this.run?.dispose();
      this.run = new RunData(this.options.workspace, runId);
      void this.options.workspace.refresh();
    }
    this.update();
    return Promise.resolve();
  }

  dispose(): void {
    this.run?.dispose();
    super.dispose();
  }

  protected render(): React.JSX.Element | null {
    return (
      this.run && <Card run={this.run} fallback={this.fallback} {...this.options} />
    );
  }

  private run: RunData | null = null;
  private fallback = '';
}

function Card(props: ICardOptions & { run: RunData; fallback: string }) {
  const { run, trans, fallback, sanitizer, open, cancel } = props;
  useSignal(run.changed);
  const info = run.info;
  if (!info) {
    return <div dangerouslySetInnerHTML={{ __html: sanitizer.sanitize(fallback) }} />;
  }
  return (
    <section
      className={`jp-mlws-Card-body jp-mod-${info.state}`}
      aria-label={`${info.experiment} #${info.number}`}
    >
      <p>
        <strong>
          {info.experiment} #{info.number}
        </strong>{' '}
        {info.display_name} <State state={info.state} trans={trans} word />{' '}
        {info.started !== null && duration((info.ended ?? Date.now()) - info.started)}
      </p>
      {info.reason && <p>{info.reason}</p>}
      {info.progress && !run.isOver && (
        <RunProgress progress={info.progress} trans={trans} />
      )}
      <ul className="jp-mlws-Card-metrics">
        {run.series.slice(0, 6).map(series => (
          <li key={series.name}>
            {series.name}{' '}
            <strong>{metric(series.values[series.values.length - 1])}</strong>
            <svg viewBox="0 0 60 16" width="60" height="16" aria-hidden="true">
              <polyline points={sparkline(columns(series, false, 60)[1], 60, 16)} />
            </svg>
          </li>
        ))}
      </ul>
      <p>
        <button
          type="button"
          className="jp-mod-styled"
          onClick={() => open(info.run_id)}
        >
          {trans.__('Open run')}
        </button>
        {!run.isOver && (
          <button
            type="button"
            className="jp-mod-styled jp-mod-warn"
            onClick={() => cancel(info.run_id)}
          >
            {trans.__('Cancel run')}
          </button>
        )}
      </p>
    </section>
  );
}
