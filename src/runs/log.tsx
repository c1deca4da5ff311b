import type { TranslationBundle } from '@jupyterlab/translation';
import { AnsiUp } from 'ansi_up';
import React, { useEffect, useReducer, useRef, useState } from 'react';

import type { LogChunk } from '../api/schema';
import type { RunData } from './data';
import { LogLines } from './fold';

const LINE_HEIGHT = 18;
const BEYOND = 20;

/** The run's log as it grows. Only the lines in sight are drawn. */
export function Log({ run, trans }: { run: RunData; trans: TranslationBundle }) {
  const lines = useGrowingLog(run);
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [follow, setFollow] = useState(true);
  const height = box.current?.clientHeight ?? 600;
  const first = Math.max(Math.floor(top / LINE_HEIGHT) - BEYOND, 0);
  const shown = lines.slice(
    first,
    first + Math.ceil(height / LINE_HEIGHT) + 2 * BEYOND
  );

  useEffect(() => {
    if (follow && box.current) {
      box.current.scrollTop = box.current.scrollHeight;
    }
  });
  const onScroll = (): void => {
    const { scrollTop, scrollHeight, clientHeight } = box.current!;
    setTop(scrollTop);
    setFollow(scrollTop + clientHeight >= scrollHeight - LINE_HEIGHT);
  };
  if (lines.length === 1 && lines[0] === '') {
    return (
      <p className="jp-mlws-Empty">
        {run.isOver
          ? trans.__('The run printed nothing.')
          : trans.__('Nothing printed yet.')}
      </p>
    );
  }
  return (
    <div
      ref={box}
      className="jp-mlws-Log"
      role="log"
      aria-live="off"
      aria-label={trans.__('Log')}
      tabIndex={0}
      onScroll={onScroll}
    >
      <div style={{ height: lines.length * LINE_HEIGHT }}>
        <pre style={{ transform: `translateY(${first * LINE_HEIGHT}px)` }}>
          {shown.map((line, index) => (
            <Line key={first + index} text={line} />
          ))}
        </pre>
      </div>
    </div>
  );
}

const Line = React.memo(({ text }: { text: string }) => {
  const ansi = new AnsiUp(); // escapes all HTML by itself
  return (
    <div dangerouslySetInnerHTML={{ __html: ansi.ansi_to_html(text) || '&nbsp;' }} />
  );
});
Line.displayName = 'Line';

/** The log's lines; what is new is read whenever the run says that it has grown. */
function useGrowingLog(run: RunData): readonly string[] {
  const [, again] = useReducer((count: number) => count + 1, 0);
  const log = useRef({ lines: new LogLines(), offset: 0 });
  useEffect(() => {
    const state = (log.current = { lines: new LogLines(), offset: 0 });
    let reading = false;
    let left = false;
    const read = async (): Promise<void> => {
      if (reading) {
        return;
      }
      reading = true;
      try {
        for (;;) {
          const chunk = await run.workspace.client.get<LogChunk>(`${run.path}/log`, {
            offset: state.offset
          });
          state.lines.feed(chunk.text);
          const grown = chunk.next > state.offset;
          state.offset = chunk.next;
          if (left || !grown || chunk.next >= chunk.size) {
            break;
          }
        }
      } catch {
        // Offline: the next sign of life reads on from here.
      }
      reading = false;
      if (!left) {
        again();
      }
    };
    const slot = () => void read();
    run.grown.connect(slot);
    slot();
    return () => {
      left = true;
      run.grown.disconnect(slot);
    };
  }, [run]);
  return log.current.lines.lines;
}
