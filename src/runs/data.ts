import { ISignal, Signal } from '@lumino/signaling';

import { ApiError, part } from '../api/client';
import type {
  ErrorBody,
  MetricSeries,
  MetricSeriesList,
  RunInfo,
  StateChange,
  StateHistory
} from '../api/schema';
import type { IActivity, WorkspaceModel } from '../workspace/model';
import { isOver } from '../workspace/state';

const AGAIN_MS = 2000;

/** One run as a view needs it, read again when the workspace says that it has changed. */
export class RunData {
  constructor(
    readonly workspace: WorkspaceModel,
    readonly runId: string
  ) {
    workspace.activity.connect(this.onActivity);
    void this.refresh();
  }

  info: RunInfo | null = null;
  history: StateChange[] = [];
  series: MetricSeries[] = [];
  error: ErrorBody | null = null;

  /** The run, its history or its metrics have changed. */
  get changed(): ISignal<this, void> {
    return this.changedSignal;
  }

  /** Its log or its notebook may have grown. */
  get grown(): ISignal<this, void> {
    return this.grownSignal;
  }

  get path(): string {
    return `/runs/${part(this.runId)}`;
  }

  get isOver(): boolean {
    return this.info !== null && isOver(this.info.state);
  }

  dispose(): void {
    this.disposed = true;
    clearTimeout(this.timer);
    this.workspace.activity.disconnect(this.onActivity);
    Signal.clearData(this);
  }

  async refresh(): Promise<void> {
    // One reading at a time; whatever happens meanwhile is seen by one more.
    if (this.reading) {
      this.again = true;
      return;
    }
    this.reading = true;
    do {
      this.again = false;
      await this.read();
    } while (this.again && !this.disposed);
    this.reading = false;
  }

  private async read(): Promise<void> {
    const { client } = this.workspace;
    try {
      const [info, history, series] = await Promise.all([
        client.get<RunInfo>(this.path),
        client.get<StateHistory>(`${this.path}/history`),
        client.get<MetricSeriesList>(`${this.path}/metrics/sampled`)
      ]);
      this.info = info;
      this.history = history.items;
      this.series = series.items;
      this.error = null;
    } catch (error) {
      if (error instanceof ApiError) {
        this.onError(error);
      }
    }
    if (!this.disposed) {
      this.changedSignal.emit();
      this.grownSignal.emit();
    }
  }

  private onError(error: ApiError): void {
    if (error.isPassing) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => void this.refresh(), AGAIN_MS);
      if (this.info) {
        return; // What was read stays to be seen.
      }
    }
    this.error = error.body;
  }

  private readonly onActivity = (_: WorkspaceModel, { runId }: IActivity): void => {
    if (runId === null || runId === this.runId) {
      void this.refresh();
    }
  };

  private readonly changedSignal = new Signal<this, void>(this);
  private readonly grownSignal = new Signal<this, void>(this);
  private reading = false;
  private again = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private disposed = false;
}
