import { nullTranslator } from '@jupyterlab/translation';

import type { InstanceInfo } from '../../api/schema';
import { actionsOf, remarks, userOf } from '../rows';

const trans = nullTranslator.load('ml_workspace_lab');

function instance(given: object): InstanceInfo {
  return {
    name: 'nb1',
    owner: 'ada',
    assigned_user: null,
    reason: '',
    schedules: [],
    idle_minutes_before_shutdown: null,
    ...given
  } as unknown as InstanceInfo;
}

describe('actionsOf', () => {
  it.each([
    ['Running', ['open', 'stop', 'restart', 'delete']],
    ['Starting', ['stop', 'delete']],
    ['Unknown', ['stop', 'restart', 'delete']],
    ['Stopping', ['delete']],
    ['Stopped', ['start', 'delete']],
    ['UserSetupFailed', ['start', 'delete']],
    ['Deleting', []]
  ])('offers in state %s only what is allowed there', (state, expected) => {
    expect(actionsOf(instance({ state }))).toEqual(expected);
  });
});

describe('remarks', () => {
  it('says why, then the rules that come next', () => {
    const soon = { action: 'stop', next: 1000 };
    const later = { action: 'start', next: 2000 };
    const found = remarks(
      instance({
        state: 'Running',
        reason: 'Why',
        idle_minutes_before_shutdown: 30,
        schedules: [later, soon, { action: 'stop', next: null }]
      }),
      trans
    );
    expect(found.slice(0, 2)).toEqual(['Why', 'Stops after 30 min without work']);
    expect(found[2]).toMatch(/^Stops by schedule: /);
    expect(found).toHaveLength(3);
  });
});

describe('userOf', () => {
  it('is whom it was made for', () => {
    expect(userOf(instance({}))).toBe('ada');
    expect(userOf(instance({ assigned_user: 'token:bob' }))).toBe('token:bob');
  });
});
