import { ISignal, Signal } from '@lumino/signaling';

import { ApiError } from '../api/client';
import type { LogLine, LogLines, LogMatches } from '../api/schema';
import type { RunData } from './data';

const AT_ONCE = 200;
const MOST_KEPT = 20_000;

/** What is searched for in a log. */
export interface ISearch {
  pattern: string;
  regex: boolean;
  ignoreCase: boolean;
}

/** The lines of a run's log: those that are looked at are read, and the last ones as it grows. */
export class LogModel {
  constructor(private readonly run: RunData) {
    run.grown.connect(this.onGrown);
    void this.readEnd();
  }

  /** How many lines there are; null before that is known. */
  total: number | null = null;
  matches: LogLine[] = [];
  /** What was searched for, and where more matches are. */
  searched: ISearch | null = null;
  next: number | null = null;
  refusal = '';

  get changed(): ISignal<this, void> {
    return this.changedSignal;
  }

  dispose(): void {
    this.disposed = true;
    this.run.grown.disconnect(this.onGrown);
    Signal.clearData(this);
  }

  line(number: number): LogLine | undefined {
    return this.lines.get(number);
  }

  /** Read what is missing of these lines. */
  async need(first: number, end: number): Promise<void> {
    let missing = first;
    while (missing < end && this.lines.has(missing)) {
      missing++;
    }
    if (missing >= end || this.reading.has(missing)) {
      return;
    }
    this.reading.add(missing);
    await this.read(missing, AT_ONCE);
    this.reading.delete(missing);
  }

  /** Search from the beginning; an empty pattern ends the search. */
  async search(search: ISearch | null): Promise<void> {
    this.searched = search;
    this.matches = [];
    this.next = search && 0;
    this.refusal = '';
    await this.searchOn();
  }

  /** The matches after those that are known. */
  async searchOn(): Promise<void> {
    const { searched, next } = this;
    if (searched !== null && next !== null) {
      try {
        const found = await this.run.workspace.client.get<LogMatches>(
          `${this.run.path}/log/search`,
          {
            pattern: searched.pattern,
            regex: String(searched.regex),
            ignore_case: String(searched.ignoreCase),
            first: next,
            limit: AT_ONCE
          }
        );
        if (this.searched !== searched) {
          return; // Another search has begun meanwhile.
        }
        this.matches = [...this.matches, ...found.items];
        this.next = found.next;
      } catch (error) {
        this.refusal = error instanceof ApiError ? error.message : String(error);
      }
    }
    this.emit();
  }

  private readonly onGrown = (): void => {
    void this.readEnd();
  };

  private async readEnd(): Promise<void> {
    // One reading at a time; whatever comes meanwhile is seen by one more.
    this.again = true;
    if (this.readingEnd) {
      return;
    }
    this.readingEnd = true;
    while (this.again && !this.disposed) {
      this.again = false;
      await this.read(-AT_ONCE, AT_ONCE);
    }
    this.readingEnd = false;
  }

  private async read(first: number, limit: number): Promise<void> {
    try {
      const found = await this.run.workspace.client.get<LogLines>(
        `${this.run.path}/log/lines`,
        { first, limit }
      );
      if (this.lines.size > MOST_KEPT) {
        this.lines.clear();
      }
      for (const line of found.items) {
        this.lines.set(line.number, line);
      }
      this.total = Math.max(this.total ?? 0, found.total);
    } catch {
      // Offline: the next sign of life reads again.
    }
    this.emit();
  }

  private emit(): void {
    if (!this.disposed) {
      this.changedSignal.emit();
    }
  }

  private readonly changedSignal = new Signal<this, void>(this);
  private readonly lines = new Map<number, LogLine>();
  private readonly reading = new Set<number>();
  private readingEnd = false;
  private again = false;
  private disposed = false;
}

export const LINE_HEIGHT = 18;
/** Browsers end an element somewhat above this. */
export const TALLEST = 15_000_000;

/** What of `total` lines is in sight: the first of them, how many, and where they are drawn. */
export function inSight(
  top: number,
  height: number,
  total: number
): { first: number; count: number; shift: number; tall: number } {
  const all = total * LINE_HEIGHT;
  const tall = Math.min(all, TALLEST);
  const count = Math.ceil(height / LINE_HEIGHT) + 1;
  // Where not all fits, a step of the scroll bar is more than one line.
  const way = Math.max(tall - height, 1);
  const scrolled = Math.min(top, way);
  const at = all === tall ? scrolled : (scrolled / way) * (all - height);
  const first = Math.max(Math.floor(at / LINE_HEIGHT), 0);
  return { first, count, shift: scrolled - (at - first * LINE_HEIGHT), tall };
}

/** Where to scroll to have a line at the top. */
export function placeOf(line: number, height: number, total: number): number {
  const all = total * LINE_HEIGHT;
  const tall = Math.min(all, TALLEST);
  return (
    ((line * LINE_HEIGHT) / Math.max(all - height, 1)) * Math.max(tall - height, 0)
  );
}
