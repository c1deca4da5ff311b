import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import type { RunInfo, StateChange } from '../api/schema';
import { duration, longTime } from '../format';
import { State } from '../workspace/state';

/** Parameters, tags and properties as tables. */
export function Details({ run, trans }: { run: RunInfo; trans: TranslationBundle }) {
  const facts = {
    [trans.__('Run id')]: run.run_id,
    [trans.__('Kind')]: run.kind,
    [trans.__('Notebook')]: run.notebook ?? '',
    [trans.__('Snapshot')]: run.snapshot_id ?? '',
    [trans.__('User')]: run.user
  };
  const known = Object.fromEntries(Object.entries(facts).filter(([, value]) => value));
  return (
    <>
      <Pairs title={trans.__('Parameters')} values={run.params} trans={trans} />
      <Pairs title={trans.__('Tags')} values={run.tags} trans={trans} />
      <Pairs title={trans.__('Properties')} values={run.properties} trans={trans} />
      <Pairs title={trans.__('Facts')} values={known} trans={trans} />
    </>
  );
}

interface IPairsProps {
  title: string;
  values: { [name: string]: unknown };
  trans: TranslationBundle;
}

function Pairs({ title, values, trans }: IPairsProps) {
  const pairs = Object.entries(values);
  return (
    <section>
      <h3>{title}</h3>
      {pairs.length === 0 ? (
        <p className="jp-mlws-Empty">{trans.__('None.')}</p>
      ) : (
        <table className="jp-mlws-Table">
          <tbody>
            {pairs.map(([name, value]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>{typeof value === 'string' ? value : JSON.stringify(value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

/** Every state that the run has been in, how long, and why. */
export function History(props: { states: StateChange[]; trans: TranslationBundle }) {
  const { states, trans } = props;
  return (
    <table className="jp-mlws-Table">
      <thead>
        <tr>
          <th scope="col">{trans.__('State')}</th>
          <th scope="col">{trans.__('Since')}</th>
          <th scope="col">{trans.__('For')}</th>
          <th scope="col">{trans.__('Reason')}</th>
        </tr>
      </thead>
      <tbody>
        {states.map((one, index) => (
          <tr key={index}>
            <td>
              <State state={one.state} trans={trans} word />
            </td>
            <td>{longTime(one.time)}</td>
            <td>
              {index + 1 < states.length
                ? duration(states[index + 1].time - one.time)
                : ''}
            </td>
            <td>{one.reason}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
