import type { TranslationBundle } from '@jupyterlab/translation';

import type { InstanceInfo } from '../api/schema';

export type InstanceAction = 'start' | 'open' | 'stop' | 'restart' | 'delete';

const AT_REST = [
  'Stopped',
  'CreateFailed',
  'SetupFailed',
  'UserSetupFailed',
  'Unusable'
];

/** What can be asked of an instance in its present state, the most likely first. */
export function actionsOf(instance: InstanceInfo): InstanceAction[] {
  const state: string = instance.state;
  if (state === 'Deleting') {
    return [];
  }
  if (state === 'Stopping') {
    return ['delete'];
  }
  if (AT_REST.includes(state)) {
    return ['start', 'delete'];
  }
  if (state === 'Running') {
    return ['open', 'stop', 'restart', 'delete'];
  }
  return state === 'Unknown' ? ['stop', 'restart', 'delete'] : ['stop', 'delete'];
}

/** Whose it is. */
export function userOf(instance: InstanceInfo): string {
  return instance.assigned_user ?? instance.owner;
}

/** Its state and whose it is, where, why it is in that state, and what it will do by itself. */
export function remarks(instance: InstanceInfo, trans: TranslationBundle): string[] {
  const found = [trans.__('%1, for %2', trans.__(instance.state), userOf(instance))];
  if (instance.compute_target !== 'local') {
    found.push(trans.__('A job of %1', instance.compute_target));
  }
  if (instance.reason) {
    found.push(instance.reason);
  }
  const idle = instance.idle_minutes_before_shutdown;
  if (instance.state === 'Running' && idle !== null) {
    found.push(trans.__('Stops after %1 min without work', idle));
  }
  const action = AT_REST.includes(instance.state) ? 'start' : 'stop';
  const planned = instance.schedules.filter(
    one => one.next !== null && one.action === action
  );
  planned.sort((a, b) => a.next! - b.next!);
  if (planned.length > 0) {
    const when = new Date(planned[0].next!).toLocaleString(undefined, {
      dateStyle: 'medium',
      timeStyle: 'short'
    });
    found.push(
      action === 'start'
        ? trans.__('Starts by schedule: %1', when)
        : trans.__('Stops by schedule: %1', when)
    );
  }
  return found;
}
