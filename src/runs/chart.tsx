import type { TranslationBundle } from '@jupyterlab/translation';
import React, { useEffect, useId, useRef, useState } from 'react';
import uPlot from 'uplot';

import type { MetricSeries } from '../api/schema';
import { longTime, metric } from '../format';
import { columns } from './reduce';

const HEIGHT = 200;

interface IChartProps {
  series: MetricSeries;
  trans: TranslationBundle;
  byTime: boolean;
}

/** One metric: a chart for the eye, a sentence for those who can't see it, a table on request. */
export function Chart({ series, trans, byTime }: IChartProps) {
  const [asTable, setAsTable] = useState(false);
  const title = useId();
  return (
    <figure className="jp-mlws-Chart" aria-labelledby={title}>
      <figcaption>
        <strong id={title}>{series.name}</strong>{' '}
        <span className="jp-mlws-Chart-summary">{summary(series, trans)}</span>
        <button
          type="button"
          className="jp-mlws-link"
          aria-pressed={asTable}
          onClick={() => setAsTable(!asTable)}
        >
          {asTable ? trans.__('Show as chart') : trans.__('Show as table')}
        </button>
      </figcaption>
      {asTable ? (
        <Values series={series} trans={trans} />
      ) : (
        <Plot series={series} byTime={byTime} />
      )}
    </figure>
  );
}

function Plot({ series, byTime }: { series: MetricSeries; byTime: boolean }) {
  const node = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  useEffect(() => {
    const host = node.current!;
    const style = getComputedStyle(host);
    const ink = style.getPropertyValue('--jp-ui-font-color1');
    const grid = { stroke: style.getPropertyValue('--jp-border-color2'), width: 1 };
    const axis = { stroke: ink, grid, ticks: grid };
    const made = new uPlot(
      {
        width: host.clientWidth || 400,
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false },
        scales: { x: { time: byTime } },
        axes: [axis, { ...axis, size: 60 }],
        series: [
          {},
          {
            stroke: style.getPropertyValue('--jp-brand-color1'),
            width: 2,
            points: { show: series.steps.length < 50 }
          }
        ]
      },
      columns(series, byTime),
      host
    );
    plot.current = made;
    const observer = new ResizeObserver(() => {
      if (host.clientWidth > 0) {
        made.setSize({ width: host.clientWidth, height: HEIGHT });
      }
    });
    observer.observe(host);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [byTime]);
  useEffect(() => plot.current?.setData(columns(series, byTime)), [series]);
  return <div ref={node} className="jp-mlws-Chart-plot" aria-hidden="true" />;
}

function Values({ series, trans }: { series: MetricSeries; trans: TranslationBundle }) {
  return (
    <div className="jp-mlws-scroll" tabIndex={0} role="region" aria-label={series.name}>
      <table className="jp-mlws-Table">
        <thead>
          <tr>
            <th scope="col">{trans.__('Step')}</th>
            <th scope="col">{trans.__('Value')}</th>
            <th scope="col">{trans.__('Time')}</th>
          </tr>
        </thead>
        <tbody>
          {series.steps.slice(-1000).map((step, index) => {
            const place = Math.max(series.steps.length - 1000, 0) + index;
            return (
              <tr key={place}>
                <td>{step}</td>
                <td>{metric(series.values[place])}</td>
                <td>{longTime(series.times[place])}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function summary(series: MetricSeries, trans: TranslationBundle): string {
  const numbers = series.values.filter((v): v is number => typeof v === 'number');
  const last = metric(series.values[series.values.length - 1]);
  if (numbers.length < 2) {
    return trans.__('is %1', last);
  }
  const low = metric(numbers.reduce((a, b) => Math.min(a, b)));
  const high = metric(numbers.reduce((a, b) => Math.max(a, b)));
  return trans.__(
    'is %1 at step %2, between %3 and %4 over %5 values',
    last,
    series.steps[series.steps.length - 1],
    low,
    high,
    numbers.length
  );
}
