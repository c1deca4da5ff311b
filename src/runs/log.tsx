import type { TranslationBundle } from '@jupyterlab/translation';
import { AnsiUp } from 'ansi_up';
import React, {
  FormEvent,
  useEffect,
  useId,
  useLayoutEffect,
  useReducer,
  useRef,
  useState
} from 'react';

import type { LogLine } from '../api/schema';
import { longTime } from '../format';
import type { RunData } from './data';
import { inSight, LINE_HEIGHT, LogModel, placeOf } from './lines';

interface IProps {
  run: RunData;
  trans: TranslationBundle;
}

/** The run's log as it grows. Only the lines in sight are read and drawn. */
export function Log({ run, trans }: IProps) {
  const log = useLog(run);
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [follow, setFollow] = useState(true);
  const [marked, setMarked] = useState<number | null>(null);
  const height = box.current?.clientHeight || 600;
  const total = log?.total ?? 0;
  const { first, count, shift, tall } = inSight(top, height, total);
  const end = Math.min(first + count, total);

  useLayoutEffect(() => {
    if (follow && box.current) {
      box.current.scrollTop = box.current.scrollHeight;
    }
  });
  useEffect(() => {
    void log?.need(first, end);
  }, [log, first, end]);
  const onScroll = (): void => {
    const { scrollTop, scrollHeight, clientHeight } = box.current!;
    setTop(scrollTop);
    setFollow(scrollTop + clientHeight >= scrollHeight - LINE_HEIGHT);
  };
  const jump = (line: number): void => {
    const place = Math.min(Math.max(line, 0), total - 1);
    setFollow(false);
    setMarked(place);
    box.current!.scrollTop = placeOf(Math.max(place - 3, 0), height, total);
    box.current!.focus();
  };
  if (!log || log.total === null) {
    return <p role="status">{trans.__('Loading…')}</p>;
  }
  if (total === 0) {
    return (
      <p className="jp-mlws-Empty">
        {run.isOver
          ? trans.__('The run printed nothing.')
          : trans.__('Nothing printed yet.')}
      </p>
    );
  }
  return (
    <div className="jp-mlws-LogView">
      <LogTools log={log} trans={trans} total={total} jump={jump} />
      <div
        ref={box}
        className="jp-mlws-Log"
        role="log"
        aria-live="off"
        aria-label={trans.__('Log')}
        tabIndex={0}
        onScroll={onScroll}
      >
        <div style={{ height: tall }}>
          <pre style={{ transform: `translateY(${shift}px)` }}>
            {Array.from({ length: end - first }, (_, index) => (
              <Line
                key={first + index}
                number={first + index}
                line={log.line(first + index)}
                marked={first + index === marked}
              />
            ))}
          </pre>
        </div>
      </div>
    </div>
  );
}

interface ILineProps {
  number: number;
  line: LogLine | undefined;
  marked: boolean;
}

const Line = React.memo(({ number, line, marked }: ILineProps) => {
  const ansi = new AnsiUp(); // escapes all HTML by itself
  return (
    <div
      className={marked ? 'jp-mod-marked' : undefined}
      title={line?.time ? longTime(line.time) : undefined}
    >
      <span
        className="jp-mlws-Log-number"
        aria-hidden="true"
        data-number={number + 1}
      />
      <span
        dangerouslySetInnerHTML={{ __html: ansi.ansi_to_html(line?.text ?? '') || ' ' }}
      />
    </div>
  );
});
Line.displayName = 'Line';

interface IToolsProps {
  log: LogModel;
  trans: TranslationBundle;
  total: number;
  jump: (line: number) => void;
}

/** Search in the log, and a way to a line by its number. */
function LogTools({ log, trans, total, jump }: IToolsProps) {
  const [pattern, setPattern] = useState('');
  const [regex, setRegex] = useState(false);
  const [ignoreCase, setIgnoreCase] = useState(true);
  const [number, setNumber] = useState('');
  const field = useId();
  const search = (event: FormEvent): void => {
    event.preventDefault();
    void log.search(pattern ? { pattern, regex, ignoreCase } : null);
  };
  const go = (event: FormEvent): void => {
    event.preventDefault();
    if (number) {
      jump(Number(number) - 1);
    }
  };
  return (
    <>
      <div className="jp-mlws-Log-tools">
        <form role="search" onSubmit={search}>
          <label htmlFor={field}>{trans.__('Search the log')}</label>{' '}
          <input
            id={field}
            className="jp-mod-styled"
            type="search"
            maxLength={1000}
            value={pattern}
            onChange={event => setPattern(event.target.value)}
          />{' '}
          <label>
            <input
              type="checkbox"
              checked={regex}
              onChange={event => setRegex(event.target.checked)}
            />
            {trans.__('Pattern')}
          </label>{' '}
          <label>
            <input
              type="checkbox"
              checked={!ignoreCase}
              onChange={event => setIgnoreCase(!event.target.checked)}
            />
            {trans.__('Match case')}
          </label>{' '}
          <button type="submit" className="jp-mod-styled">
            {trans.__('Search')}
          </button>
        </form>
        <form onSubmit={go}>
          <label>
            {trans.__('Line')}{' '}
            <input
              className="jp-mod-styled"
              type="number"
              min={1}
              max={total}
              value={number}
              onChange={event => setNumber(event.target.value)}
            />
          </label>{' '}
          <button type="submit" className="jp-mod-styled">
            {trans.__('Go')}
          </button>{' '}
          <small>{trans._n('%1 line', '%1 lines', total)}</small>
        </form>
      </div>
      {log.refusal && <p role="alert">{log.refusal}</p>}
      {log.searched && !log.refusal && <Matches log={log} trans={trans} jump={jump} />}
    </>
  );
}

function Matches({ log, trans, jump }: Omit<IToolsProps, 'total'>) {
  const count = log.matches.length;
  const more = log.next !== null;
  return (
    <section className="jp-mlws-Log-matches" aria-label={trans.__('Matches')}>
      <p role="status">
        {more
          ? trans.__('%1 lines match so far', count)
          : trans._n('%1 line matches', '%1 lines match', count)}{' '}
        {more && (
          <button
            type="button"
            className="jp-mod-styled"
            onClick={() => void log.searchOn()}
          >
            {trans.__('More')}
          </button>
        )}
      </p>
      <ol>
        {log.matches.map(line => (
          <li key={line.number}>
            <button type="button" onClick={() => jump(line.number)}>
              {line.number + 1}: {line.text.slice(0, 300)}
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}

function useLog(run: RunData): LogModel | null {
  const [, again] = useReducer((count: number) => count + 1, 0);
  const [log, setLog] = useState<LogModel | null>(null);
  useEffect(() => {
    const made = new LogModel(run);
    made.changed.connect(again);
    setLog(made);
    return () => made.dispose();
  }, [run]);
  return log;
}
