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
    compute_target: 'local',
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
  const schedules = [
    { action: 'stop', next: 3000 },
    { action: 'stop', next: 1000 },
    { action: 'start', next: 2000 },
    { action: 'stop', next: null }
  ];

  it('says of one that runs whose it is, why, and when it will stop', () => {
    const idle = { idle_minutes_before_shutdown: 30 };
    const given = { state: 'Running', reason: 'Why', schedules, ...idle };
    const found = remarks(instance(given), trans);
    expect(found.slice(0, 3)).toEqual([
      'Running, for ada',
      'Why',
      'Stops after 30 min without work'
    ]);
    expect(found[3]).toMatch(/^Stops by schedule: .*1970/);
    expect(found).toHaveLength(4);
  });

  it('says of one that is a job whose job it is', () => {
    const given = { state: 'Creating', reason: 'Why', compute_target: 'cluster' };
    const found = remarks(instance(given), trans);
    expect(found).toEqual(['Creating, for ada', 'A job of cluster', 'Why']);
  });

  it('says of one that rests when it will start', () => {
    const found = remarks(instance({ state: 'Stopped', schedules }), trans);
    expect(found[0]).toBe('Stopped, for ada');
    expect(found[1]).toMatch(/^Starts by schedule: /);
    expect(found).toHaveLength(2);
  });
});

describe('userOf', () => {
  it('is whom it was made for', () => {
    expect(userOf(instance({}))).toBe('ada');
    expect(userOf(instance({ assigned_user: 'token:bob' }))).toBe('token:bob');
  });
});
