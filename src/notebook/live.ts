import { INotebookContent } from '@jupyterlab/nbformat';
import { INotebookTracker, NotebookActions, NotebookPanel } from '@jupyterlab/notebook';

import { Client } from '../api/client';

const DEBOUNCE_MS = 300;

/**
 * Tells the server what the notebooks on the screen look like, so that a magic in one of them can
 * run it as it is, unsaved cells included.
 */
export function pushLiveNotebooks(tracker: INotebookTracker, client: Client): void {
  const pushed = new WeakMap<NotebookPanel, string>();

  const push = async (panel: NotebookPanel, cellId: string | null): Promise<void> => {
    const kernelId = panel.sessionContext.session?.kernel?.id;
    if (!kernelId || !panel.model) {
      return;
    }
    const content = withoutOutputs(panel.model.toJSON() as INotebookContent);
    const text = JSON.stringify([kernelId, content]);
    if (cellId === null && pushed.get(panel) === text) {
      return;
    }
    pushed.set(panel, text);
    try {
      await client.post('/notebooks/live', {
        kernel_id: kernelId,
        path: panel.context.localPath,
        content,
        cell_id: cellId
      });
    } catch {
      // The magic then takes the saved file, and says so: nothing to disturb the user with here.
      pushed.delete(panel);
    }
  };

  NotebookActions.executionScheduled.connect((_, { notebook, cell }) => {
    const panel = tracker.find(one => one.content === notebook);
    if (panel) {
      void push(panel, cell.model.id);
    }
  });
  tracker.widgetAdded.connect((_, panel) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const onChange = () => {
      clearTimeout(timer);
      timer = setTimeout(() => void push(panel, null), DEBOUNCE_MS);
    };
    void panel.context.ready.then(() => {
      panel.model?.contentChanged.connect(onChange);
      panel.sessionContext.kernelChanged.connect(onChange);
      onChange();
    });
    panel.disposed.connect(() => clearTimeout(timer));
  });
}

/** What is in the cells, without what they printed: that is not part of the code. */
export function withoutOutputs(content: INotebookContent): INotebookContent {
  const cells = content.cells.map(cell =>
    cell.cell_type === 'code' ? { ...cell, outputs: [], execution_count: null } : cell
  );
  return { ...content, cells };
}
