import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Dialog, showDialog, showErrorMessage } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

import { Client, part } from '../api/client';
import type { InstanceAccess, InstanceFiles } from '../api/schema';
import { bytes } from '../format';
import { actionLabel } from './buttons';
import type { InstanceAction } from './rows';

const ACTIONS: InstanceAction[] = ['start', 'open', 'stop', 'restart', 'delete'];

export function commandOf(action: InstanceAction): string {
  return `ml-workspace-lab:${action}-instance`;
}

/** A command for each thing that can be asked of a compute instance; they take its name. */
export function addInstanceCommands(
  app: JupyterFrontEnd,
  client: Client,
  trans: TranslationBundle
): void {
  for (const action of ACTIONS) {
    app.commands.addCommand(commandOf(action), {
      label: trans.__('%1 Compute Instance', actionLabel(action, trans)),
      describedBy: {
        args: {
          type: 'object',
          required: ['name'],
          properties: { name: { type: 'string' } }
        }
      },
      execute: async args => {
        const name = args.name as string;
        try {
          await DEEDS[action](client, name, trans);
        } catch (error) {
          const title = trans.__('Not possible for %1', name);
          await showErrorMessage(title, error as Error);
        }
      }
    });
  }
}

type Deed = (
  client: Client,
  name: string,
  trans: TranslationBundle
) => Promise<unknown>;

const DEEDS: Record<InstanceAction, Deed> = {
  start: (client, name) => client.post(`${pathOf(name)}/start`),
  stop: (client, name) => client.post(`${pathOf(name)}/stop`),
  restart: (client, name) => client.post(`${pathOf(name)}/restart`),
  open: async (client, name) => {
    const access = await client.post<InstanceAccess>(`${pathOf(name)}/access`);
    window.open(access.url, '_blank', 'noopener');
  },
  delete: async (client, name, trans) => {
    const files = await client.get<InstanceFiles>(`${pathOf(name)}/files`);
    const answer = await showDialog({
      title: trans.__('Delete %1?', name),
      body: trans._n(
        'Its server is ended, and its %1 file (%2) is removed for good.',
        'Its server is ended, and its %1 files (%2) are removed for good.',
        files.files,
        bytes(files.bytes)
      ),
      buttons: [
        Dialog.cancelButton({ label: trans.__('Keep it') }),
        Dialog.warnButton({ label: trans.__('Delete') })
      ]
    });
    if (answer.button.accept) {
      await client.request('DELETE', pathOf(name));
    }
  }
};

function pathOf(name: string): string {
  return `/instances/${part(name)}`;
}
