import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';
import React, { KeyboardEvent, useId, useLayoutEffect, useRef, useState } from 'react';

import 'uplot/dist/uPlot.min.css';

import { duration, longTime } from '../format';
import { useSignal } from '../workspace/hooks';
import type { WorkspaceModel } from '../workspace/model';
import { Problem } from '../workspace/panel';
import { State } from '../workspace/state';
import { Artifacts } from './artifacts';
import { Chart } from './chart';
import { RunData } from './data';
import { RunProgress } from './progress';
import { Details, History } from './details';
import { Log } from './log';
import { NotebookPreview } from './notebook';

export interface IRunViewOptions {
  workspace: WorkspaceModel;
  rendermime: IRenderMimeRegistry;
  trans: TranslationBundle;
  runId: string;
  cancel: (runId: string) => void;
}

/** One run in the main area. */
export class RunView extends ReactWidget {
  constructor(private readonly options: IRunViewOptions) {
    super();
    this.run = new RunData(options.workspace, options.runId);
    this.addClass('jp-mlws-Run');
    this.run.changed.connect(() => {
      const info = this.run.info;
      if (info) {
        this.title.label = `${info.experiment} #${info.number}`;
        this.title.caption = `${info.display_name}: ${info.state}`;
      }
    });
  }

  readonly run: RunData;

  dispose(): void {
    super.dispose();
    this.run.dispose();
  }

  protected render(): React.JSX.Element {
    return <Run run={this.run} {...this.options} />;
  }
}

function Run(props: IRunViewOptions & { run: RunData }) {
  const { run, trans, rendermime, cancel } = props;
  useSignal(run.changed);
  if (run.error) {
    return <Problem error={run.error} trans={trans} retry={() => void run.refresh()} />;
  }
  if (!run.info) {
    return <p role="status">{trans.__('Loading…')}</p>;
  }
  const tabs = [
    { name: trans.__('Metrics'), body: <Metrics run={run} trans={trans} /> },
    { name: trans.__('Parameters'), body: <Details run={run.info} trans={trans} /> },
    { name: trans.__('Log'), body: <Log run={run} trans={trans} /> },
    {
      name: trans.__('Notebook'),
      body: <Notebook run={run} trans={trans} rendermime={rendermime} />
    },
    { name: trans.__('Artifacts'), body: <Artifacts run={run} trans={trans} /> },
    { name: trans.__('History'), body: <History states={run.history} trans={trans} /> }
  ];
  const shown = run.info.notebook ? tabs : tabs.filter((_, index) => index !== 3);
  return (
    <>
      <Summary run={run} trans={trans} cancel={cancel} />
      <Tabs tabs={shown} label={trans.__('What to show of the run')} />
    </>
  );
}

interface ISummaryProps {
  run: RunData;
  trans: TranslationBundle;
  cancel: (runId: string) => void;
}

function Summary({ run, trans, cancel }: ISummaryProps) {
  const info = run.info!;
  return (
    <div className="jp-mlws-Run-summary">
      <h2>
        {info.experiment} #{info.number} <small>{info.display_name}</small>
      </h2>
      <p>
        <State state={info.state} trans={trans} word />{' '}
        {info.started !== null && (
          <span>{duration((info.ended ?? Date.now()) - info.started)}</span>
        )}{' '}
        <span>{trans.__('by %1, %2', info.user, longTime(info.created))}</span>{' '}
        {info.compute_target && <span>{trans.__('on %1', info.compute_target)}</span>}
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
      {info.progress && !run.isOver && (
        <RunProgress progress={info.progress} trans={trans} />
      )}
      {info.reason && (
        <p
          role={info.state === 'Failed' ? 'alert' : undefined}
          className="jp-mlws-Run-reason"
        >
          {info.reason}
        </p>
      )}
    </div>
  );
}

function Metrics({ run, trans }: { run: RunData; trans: TranslationBundle }) {
  const [byTime, setByTime] = useState(false);
  const field = useId();
  if (run.series.length === 0) {
    return (
      <p className="jp-mlws-Empty">
        {trans.__('No metrics logged: run.log("loss", 0.1)')}
      </p>
    );
  }
  return (
    <>
      <p>
        <label htmlFor={field}>{trans.__('Horizontal axis')}</label>{' '}
        <select
          id={field}
          className="jp-mod-styled"
          value={byTime ? 'time' : 'step'}
          onChange={event => setByTime(event.target.value === 'time')}
        >
          <option value="step">{trans.__('Step')}</option>
          <option value="time">{trans.__('Time')}</option>
        </select>
      </p>
      <div className="jp-mlws-Charts">
        {run.series.map(series => (
          <Chart key={series.name} series={series} trans={trans} byTime={byTime} />
        ))}
      </div>
    </>
  );
}

/** The place of a Lumino widget among React's elements. */
function Notebook(props: {
  run: RunData;
  trans: TranslationBundle;
  rendermime: IRenderMimeRegistry;
}) {
  const node = useRef<HTMLDivElement>(null);
  // A layout effect is undone while its node is still there, which a widget to be detached needs.
  useLayoutEffect(() => {
    const preview = new NotebookPreview(props.run, props.rendermime, props.trans);
    Widget.attach(preview, node.current!);
    return () => preview.dispose();
  }, [props.run]);
  return <div ref={node} className="jp-mlws-Notebook-host" />;
}

interface ITab {
  name: string;
  body: React.JSX.Element;
}

/** Tabs after the ARIA pattern: arrows move between them, Tab goes on into what they show. */
function Tabs({ tabs, label }: { tabs: ITab[]; label: string }) {
  const [chosen, setChosen] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();
  const index = Math.min(chosen, tabs.length - 1);
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = step
      ? (index + step + tabs.length) % tabs.length
      : { Home: 0, End: tabs.length - 1 }[event.key];
    if (next !== undefined) {
      event.preventDefault();
      setChosen(next);
      (list.current!.children[next] as HTMLElement).focus();
    }
  };
  return (
    <>
      <div
        ref={list}
        role="tablist"
        aria-label={label}
        className="jp-mlws-Tabs"
        onKeyDown={onKeyDown}
      >
        {tabs.map((tab, place) => (
          <button
            key={tab.name}
            type="button"
            role="tab"
            id={`${id}-tab${place}`}
            aria-selected={place === index}
            aria-controls={`${id}-body`}
            tabIndex={place === index ? 0 : -1}
            onClick={() => setChosen(place)}
          >
            {tab.name}
          </button>
        ))}
      </div>
      <div
        role="tabpanel"
        id={`${id}-body`}
        aria-labelledby={`${id}-tab${index}`}
        className="jp-mlws-Tabs-body"
        tabIndex={0}
      >
        {tabs[index].body}
      </div>
    </>
  );
}
