import type { TranslationBundle } from '@jupyterlab/translation';
import { LabIcon, ReactWidget } from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import React, { FormEvent, useId, useState } from 'react';

import iconSvg from '../../style/workspace.svg';
import { ApiError } from '../api/client';
import type { ErrorBody } from '../api/schema';
import type { OnInstance } from '../instances/buttons';
import { useSignal } from './hooks';
import type { WorkspaceModel } from './model';
import { Tree } from './tree';

export const workspaceIcon = new LabIcon({
  name: 'ml-workspace-lab:workspace',
  svgstr: iconSvg
});

/** The sidebar: one workspace and everything in it. */
export class WorkspacePanel extends ReactWidget {
  constructor(
    private readonly model: WorkspaceModel,
    private readonly trans: TranslationBundle,
    private readonly openRun: (runId: string) => void,
    private readonly onInstance: OnInstance
  ) {
    super();
    this.id = 'ml-workspace-lab-panel';
    this.addClass('jp-mlws-Panel');
    this.title.icon = workspaceIcon;
    this.title.caption = trans.__('Workspace');
    this.node.tabIndex = -1;
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Workspace'));
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    void this.model.refresh();
  }

  /** Who comes by keyboard goes on where the tree was left, or else into the first field. */
  protected onActivateRequest(): void {
    const first = this.node.querySelector<HTMLElement>('[tabindex="0"], input, button');
    (first ?? this.node).focus();
  }

  protected render(): React.JSX.Element {
    return (
      <Panel
        model={this.model}
        trans={this.trans}
        openRun={this.openRun}
        onInstance={this.onInstance}
      />
    );
  }
}

interface IPanelProps {
  model: WorkspaceModel;
  trans: TranslationBundle;
  openRun: (runId: string) => void;
  onInstance: OnInstance;
}

export function Panel({ model, trans, openRun, onInstance }: IPanelProps) {
  useSignal(model.changed);
  return (
    <div className="jp-mlws-Panel-content">
      <div className="jp-mlws-Panel-header">
        <h2>{model.info?.name ?? trans.__('Workspace')}</h2>
        {!model.connected && (
          <span role="status" className="jp-mlws-State jp-mod-bad">
            {trans.__('offline, trying again')}
          </span>
        )}
      </div>
      {model.status === 'loading' && <p role="status">{trans.__('Loading…')}</p>}
      {model.status === 'none' && <Start model={model} trans={trans} />}
      {model.status === 'error' && model.error && (
        <Problem error={model.error} trans={trans} retry={() => void model.refresh()} />
      )}
      {model.status === 'ready' && (
        <>
          <Tree model={model} trans={trans} openRun={openRun} onInstance={onInstance} />
          {model.recent.length === 0 && <FirstSteps trans={trans} />}
        </>
      )}
    </div>
  );
}

/** There is no workspace yet: one click makes one. */
function Start({ model, trans }: { model: WorkspaceModel; trans: TranslationBundle }) {
  const [name, setName] = useState('my-workspace');
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState('');
  const field = useId();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await model.create(name);
    } catch (error) {
      const offline = trans.__('The server does not answer.');
      setRefusal(error instanceof ApiError ? error.message : offline);
    }
    setBusy(false);
  };
  return (
    <form className="jp-mlws-Start" onSubmit={event => void submit(event)}>
      <p>
        {trans.__(
          'A workspace keeps every run of your notebooks with its code, metrics and outputs. It is a folder here: no account, no server.'
        )}
      </p>
      <label htmlFor={field}>{trans.__('Name')}</label>
      <input
        id={field}
        className="jp-mod-styled"
        value={name}
        onChange={event => setName(event.target.value)}
      />
      <button type="submit" className="jp-mod-styled jp-mod-accept" disabled={busy}>
        {trans.__('Start a workspace here')}
      </button>
      {refusal && <p role="alert">{refusal}</p>}
    </form>
  );
}

function FirstSteps({ trans }: { trans: TranslationBundle }) {
  return (
    <section className="jp-mlws-Empty">
      <p>
        {trans.__(
          'No runs yet. Run a notebook as a tracked job from one of its cells:'
        )}
      </p>
      <pre>%load_ext ml_workspace_lab{'\n'}%ws_run</pre>
    </section>
  );
}

export function Problem(props: {
  error: ErrorBody;
  trans: TranslationBundle;
  retry?: () => void;
}) {
  const { error, trans, retry } = props;
  return (
    <section className="jp-mlws-Problem" role="alert">
      <p>{error.message}</p>
      {error.hint && <p>{error.hint}</p>}
      {error.request_id && <small>{trans.__('Request %1', error.request_id)}</small>}
      {retry && (
        <button type="button" className="jp-mod-styled" onClick={retry}>
          {trans.__('Try again')}
        </button>
      )}
    </section>
  );
}
