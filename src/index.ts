import {
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  Dialog,
  ICommandPalette,
  MainAreaWidget,
  showDialog,
  showErrorMessage,
  WidgetTracker
} from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Token } from '@lumino/coreutils';

import type { OnInstance } from './instances/buttons';
import { addInstanceCommands, commandOf } from './instances/commands';
import { pushLiveNotebooks } from './notebook/live';
import { RUN_TYPE, RunCard } from './runs/card';
import type { RunView } from './runs/view';
import { WorkspaceModel } from './workspace/model';
import { workspaceIcon, WorkspacePanel } from './workspace/panel';

const DOMAIN = 'ml_workspace_lab';

export const CommandIDs = {
  openPanel: 'ml-workspace-lab:open-panel',
  openRun: 'ml-workspace-lab:open-run',
  cancelRun: 'ml-workspace-lab:cancel-run',
  refresh: 'ml-workspace-lab:refresh'
};

/** The workspace's model, for the plugins that show a part of it. */
export const IWorkspaceModel = new Token<WorkspaceModel>(
  'ml-workspace-lab:IWorkspaceModel'
);

const model: JupyterFrontEndPlugin<WorkspaceModel> = {
  id: 'ml-workspace-lab:model',
  description: 'What the workspace holds, kept true by its event stream.',
  autoStart: true,
  provides: IWorkspaceModel,
  activate: () => new WorkspaceModel()
};

const panel: JupyterFrontEndPlugin<void> = {
  id: 'ml-workspace-lab:panel',
  description: 'The sidebar that lists the workspace.',
  autoStart: true,
  requires: [IWorkspaceModel],
  optional: [ICommandPalette, ILayoutRestorer, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    workspace: WorkspaceModel,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const openRun = (runId: string) =>
      void app.commands.execute(CommandIDs.openRun, { runId });
    addInstanceCommands(app, workspace.client, trans);
    const onInstance: OnInstance = (name, action) =>
      void app.commands.execute(commandOf(action), { name });
    const widget = new WorkspacePanel(workspace, trans, openRun, onInstance);
    app.shell.add(widget, 'left', { rank: 300 });
    restorer?.add(widget, widget.id);
    app.commands.addCommand(CommandIDs.openPanel, {
      label: trans.__('Show the Workspace'),
      icon: workspaceIcon,
      execute: () => app.shell.activateById(widget.id),
      describedBy: { args: { type: 'object', properties: {} } }
    });
    app.commands.addCommand(CommandIDs.refresh, {
      label: trans.__('Refresh the Workspace'),
      execute: () => workspace.refresh(),
      describedBy: { args: { type: 'object', properties: {} } }
    });
    app.commands.addKeyBinding({
      command: CommandIDs.openPanel,
      keys: ['Alt Shift W'],
      selector: 'body'
    });
    const category = trans.__('Workspace');
    palette?.addItem({ command: CommandIDs.openPanel, category });
    palette?.addItem({ command: CommandIDs.refresh, category });
  }
};

const runs: JupyterFrontEndPlugin<void> = {
  id: 'ml-workspace-lab:runs',
  description: 'A run in the main area.',
  autoStart: true,
  requires: [IWorkspaceModel, IRenderMimeRegistry],
  optional: [ILayoutRestorer, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    workspace: WorkspaceModel,
    rendermime: IRenderMimeRegistry,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const tracker = new WidgetTracker<MainAreaWidget<RunView>>({
      namespace: 'ml-workspace-lab-runs'
    });
    const withRun = {
      args: {
        type: 'object' as const,
        required: ['runId'],
        properties: { runId: { type: 'string' as const } }
      }
    };
    app.commands.addCommand(CommandIDs.cancelRun, {
      label: trans.__('Cancel Run'),
      describedBy: withRun,
      execute: async args => {
        const answer = await showDialog({
          title: trans.__('Cancel the run?'),
          body: trans.__('Its code is interrupted. What it has logged so far is kept.'),
          buttons: [
            Dialog.cancelButton({ label: trans.__('Let it go on') }),
            Dialog.warnButton({ label: trans.__('Cancel run') })
          ]
        });
        if (answer.button.accept) {
          try {
            await workspace.cancel(args.runId as string);
          } catch (error) {
            await showErrorMessage(
              trans.__('The run was not canceled'),
              error as Error
            );
          }
        }
      }
    });
    app.commands.addCommand(CommandIDs.openRun, {
      label: trans.__('Open Run'),
      describedBy: withRun,
      execute: async args => {
        const runId = args.runId as string;
        const open = tracker.find(one => one.content.run.runId === runId);
        if (open) {
          app.shell.activateById(open.id);
          return;
        }
        // The charts and the notebook renderer are loaded when the first run is opened.
        const { RunView } = await import('./runs/view');
        const cancel = (id: string) =>
          void app.commands.execute(CommandIDs.cancelRun, { runId: id });
        const content = new RunView({ workspace, rendermime, trans, runId, cancel });
        const widget = new MainAreaWidget({ content });
        widget.id = `ml-workspace-lab-run-${runId}`;
        widget.title.label = trans.__('Run');
        widget.title.icon = workspaceIcon;
        widget.title.closable = true;
        content.run.changed.connect(() => {
          widget.title.label = content.title.label;
          widget.title.caption = content.title.caption;
        });
        app.shell.add(widget, 'main');
        await tracker.add(widget);
        app.shell.activateById(widget.id);
        void workspace.refresh();
      }
    });
    void restorer?.restore(tracker, {
      command: CommandIDs.openRun,
      args: widget => ({ runId: widget.content.run.runId }),
      name: widget => widget.content.run.runId
    });
  }
};

const cards: JupyterFrontEndPlugin<void> = {
  id: 'ml-workspace-lab:cards',
  description: 'Live cards of runs in cell outputs.',
  autoStart: true,
  requires: [IWorkspaceModel, IRenderMimeRegistry],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    workspace: WorkspaceModel,
    rendermime: IRenderMimeRegistry,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const withRun = (command: string) => (runId: string) =>
      void app.commands.execute(command, { runId });
    const options = {
      workspace,
      trans,
      sanitizer: rendermime.sanitizer,
      open: withRun(CommandIDs.openRun),
      cancel: withRun(CommandIDs.cancelRun)
    };
    rendermime.addFactory(
      { safe: true, mimeTypes: [RUN_TYPE], createRenderer: () => new RunCard(options) },
      0
    );
  }
};

const live: JupyterFrontEndPlugin<void> = {
  id: 'ml-workspace-lab:live-notebooks',
  description: 'Hands the notebooks on the screen to their kernels.',
  autoStart: true,
  requires: [INotebookTracker, IWorkspaceModel],
  activate: (
    _: JupyterFrontEnd,
    tracker: INotebookTracker,
    workspace: WorkspaceModel
  ) => pushLiveNotebooks(tracker, workspace.client)
};

export default [model, panel, runs, cards, live];
