import type { TranslationBundle } from '@jupyterlab/translation';

import type { InstanceInfo, RunInfo } from '../api/schema';
import { shortTime } from '../format';
import { remarks } from '../instances/rows';
import { fraction } from '../runs/fraction';
import type { WorkspaceModel } from './model';
import { isOver } from './state';

/** One visible line of the tree. */
export interface IRow {
  id: string;
  level: number;
  label: string;
  detail: string;
  title: string;
  expanded: boolean | null;
  run: RunInfo | null;
  instance: InstanceInfo | null;
  state: string | null;
  /** Its text is read whole, over as many lines as it takes. */
  wraps: boolean;
}

/** The lines of the tree as it is open now, from top to bottom. */
export function visibleRows(
  model: WorkspaceModel,
  open: ReadonlySet<string>,
  trans: TranslationBundle
): IRow[] {
  const rows: IRow[] = [];
  const section = (id: string, label: string, count: number, hint = ''): boolean => {
    const expanded = open.has(id);
    rows.push({ ...plain(id, 1, label), detail: String(count), expanded });
    if (expanded && count === 0 && hint) {
      rows.push(plain(`${id}:none`, 2, hint));
    }
    return expanded;
  };
  if (section('experiments', trans.__('Experiments'), model.experiments.length)) {
    for (const experiment of model.experiments) {
      const id = `experiment:${experiment.name}`;
      const expanded = open.has(id);
      const detail = trans._n('%1 run', '%1 runs', experiment.run_count);
      rows.push({ ...plain(id, 2, experiment.name), detail, expanded });
      for (const run of expanded ? (model.runsOf.get(experiment.name) ?? []) : []) {
        const label = `#${run.number} ${run.display_name}`;
        rows.push(runRow(run, `${id}/${run.run_id}`, 3, label));
      }
    }
  }
  if (section('runs', trans.__('Recent runs'), model.recent.length)) {
    for (const run of model.recent) {
      const label = `${run.experiment} #${run.number}`;
      rows.push(runRow(run, `run:${run.run_id}`, 2, label));
    }
  }
  const registering = trans.__('none yet: %ws_register NAME');
  if (section('models', trans.__('Models'), model.models.length, registering)) {
    for (const one of model.models) {
      const detail = trans.__('version %1', one.latest_version);
      rows.push({ ...plain(`model:${one.name}`, 2, one.name), detail });
    }
  }
  const deploying = trans.__('none yet: %ws_deploy MODEL');
  if (section('endpoints', trans.__('Endpoints'), model.endpoints.length, deploying)) {
    for (const one of model.endpoints) {
      const serves =
        one.deployments.length === 1
          ? `${one.model}:${one.model_version}`
          : one.deployments.map(each => `${each.name} ${each.traffic} %`).join(', ');
      const workers = one.deployments.reduce((sum, each) => sum + each.workers, 0);
      const detail =
        workers > one.deployments.length
          ? trans.__('%1, %2 workers', serves, workers)
          : serves;
      const title = `${one.scoring_uri} ${one.reason}`.trim();
      const row = plain(`endpoint:${one.name}`, 2, one.name);
      rows.push({ ...row, detail, title, state: one.state });
    }
  }
  if (section('computes', trans.__('Compute'), model.computes.length)) {
    for (const one of model.computes) {
      const busy =
        one.slots === null
          ? trans.__('%1 busy', one.running)
          : trans.__('%1 of %2 busy', one.running, one.slots);
      const detail = trans.__('%1, %2 waiting', busy, one.queued);
      rows.push({ ...plain(`compute:${one.name}`, 2, one.name), detail });
    }
  }
  const creating = trans.__('none yet: ml-workspace instance create NAME');
  if (
    section(
      'instances',
      trans.__('Compute instances'),
      model.instances.length,
      creating
    )
  ) {
    for (const one of model.instances) {
      const id = `instance:${one.name}`;
      const title = `${one.name}: ${one.state}. ${one.reason}`;
      const row = { ...plain(id, 2, one.name), title };
      rows.push({ ...row, instance: one, state: one.state });
      for (const [place, remark] of remarks(one, trans).entries()) {
        rows.push({ ...plain(`${id}:${place}`, 3, remark), wraps: true });
      }
    }
  }
  return rows;
}

function plain(id: string, level: number, label: string): IRow {
  return {
    id,
    level,
    label,
    detail: '',
    title: label,
    expanded: null,
    run: null,
    instance: null,
    state: null,
    wraps: false
  };
}

function runRow(run: RunInfo, id: string, level: number, label: string): IRow {
  return {
    ...plain(id, level, label),
    detail: percent(run) ?? shortTime(run.created),
    title: `${run.experiment} #${run.number} ${run.display_name} ${run.reason}`.trim(),
    run,
    state: run.state
  };
}

function percent(run: RunInfo): string | null {
  const done = run.progress && !isOver(run.state) ? fraction(run.progress) : null;
  return done === null ? null : `${Math.floor(100 * done)} %`;
}

/** Where a key leads from the line `index`: another line, or a line to open or close. */
export function navigate(
  rows: readonly IRow[],
  index: number,
  key: string
): { focus: number } | { toggle: string } | null {
  const row = rows[index];
  switch (key) {
    case 'ArrowDown':
      return { focus: Math.min(index + 1, rows.length - 1) };
    case 'ArrowUp':
      return { focus: Math.max(index - 1, 0) };
    case 'Home':
      return { focus: 0 };
    case 'End':
      return { focus: rows.length - 1 };
    case 'ArrowRight':
      if (row.expanded === false) {
        return { toggle: row.id };
      }
      return row.expanded ? { focus: Math.min(index + 1, rows.length - 1) } : null;
    case 'ArrowLeft':
      if (row.expanded) {
        return { toggle: row.id };
      }
      return { focus: parentOf(rows, index) };
    default:
      return key.length === 1 && key.trim()
        ? { focus: startingWith(rows, index, key) }
        : null;
  }
}

function parentOf(rows: readonly IRow[], index: number): number {
  for (let above = index - 1; above >= 0; above--) {
    if (rows[above].level < rows[index].level) {
      return above;
    }
  }
  return index;
}

/** The next line, round the end, whose label starts with a letter. */
function startingWith(rows: readonly IRow[], index: number, letter: string): number {
  for (let step = 1; step <= rows.length; step++) {
    const next = (index + step) % rows.length;
    if (rows[next].label.toLowerCase().startsWith(letter.toLowerCase())) {
      return next;
    }
  }
  return index;
}
