import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import { ApiError, Client, part } from '../api/client';
import type {
  ComputeInfo,
  ComputeList,
  EndpointInfo,
  EndpointList,
  ErrorBody,
  EventBatch,
  ExperimentInfo,
  ExperimentList,
  InstanceInfo,
  InstanceList,
  LiveRun,
  ModelInfo,
  ModelList,
  RunInfo,
  RunList,
  WorkspaceInfo
} from '../api/schema';
import { EventStream } from '../api/stream';

const RECENT = 20;
const GATHER_MS = 100;
const AGAIN_MS = 2000;

export type Status = 'loading' | 'none' | 'ready' | 'error';

export interface IActivity {
  runId: string | null;
  live: LiveRun | null;
}

/** What the workspace holds, kept true by its event stream. */
export class WorkspaceModel implements IDisposable {
  constructor(readonly client = new Client()) {
    this.stream = new EventStream(client);
    this.stream.batch.connect((_, batch) => this.onBatch(batch));
    this.stream.connected.connect((_, connected) => this.onConnected(connected));
    client.lost.connect(() => this.onLost());
  }

  status: Status = 'loading';
  connected = true;
  error: ErrorBody | null = null;
  info: WorkspaceInfo | null = null;
  experiments: ExperimentInfo[] = [];
  recent: RunInfo[] = [];
  models: ModelInfo[] = [];
  endpoints: EndpointInfo[] = [];
  computes: ComputeInfo[] = [];
  instances: InstanceInfo[] = [];
  readonly runsOf = new Map<string, RunInfo[]>();

  /** Anything above has changed. */
  get changed(): ISignal<this, void> {
    return this.changedSignal;
  }

  /**
   * A run has changed or has written something: its id, and its sizes while it is active. Any run
   * may have (null) while nobody was listening.
   */
  get activity(): ISignal<this, IActivity> {
    return this.activitySignal;
  }

  get isDisposed(): boolean {
    return this.disposed;
  }

  dispose(): void {
    this.disposed = true;
    clearTimeout(this.timer);
    this.stream.dispose();
    Signal.clearData(this);
  }

  /** Read everything, and stay connected from then on. */
  async refresh(): Promise<void> {
    try {
      this.info = await this.client.get<WorkspaceInfo>('/workspace');
      this.stream.start();
      await this.readLists();
      this.status = 'ready';
      this.connected = true;
      this.error = null;
    } catch (error) {
      this.onError(error);
    }
    this.emit();
  }

  /** Start a workspace in the server's root folder. Throws ApiError on a refusal. */
  async create(name: string): Promise<void> {
    await this.client.post('/workspace', { name });
    await this.refresh();
  }

  /** Read the runs of an experiment, and keep them true from then on. */
  async expand(experiment: string): Promise<void> {
    try {
      await this.readRuns(experiment);
    } catch (error) {
      this.onError(error);
    }
    this.emit();
  }

  collapse(experiment: string): void {
    this.runsOf.delete(experiment);
  }

  async cancel(runId: string): Promise<void> {
    await this.client.post(`/runs/${part(runId)}/cancel`);
  }

  private async readLists(): Promise<void> {
    const [experiments, runs, models, endpoints, computes, instances] =
      await Promise.all([
        this.client.get<ExperimentList>('/experiments'),
        this.client.get<RunList>('/runs', { limit: RECENT }),
        this.client.get<ModelList>('/models'),
        this.client.get<EndpointList>('/endpoints'),
        this.client.get<ComputeList>('/computes'),
        this.client.get<InstanceList>('/instances')
      ]);
    this.experiments = experiments.items;
    this.recent = runs.items;
    this.models = models.items;
    this.endpoints = endpoints.items;
    this.computes = computes.items;
    this.instances = instances.items;
    await Promise.all([...this.runsOf.keys()].map(name => this.readRuns(name)));
  }

  private async readRuns(experiment: string): Promise<void> {
    const query = { experiment, limit: 100 };
    const page = await this.client.get<RunList>('/runs', query);
    this.runsOf.set(experiment, page.items);
  }

  private onBatch(batch: EventBatch): void {
    const live = new Map(batch.live.map(one => [one.run_id, one]));
    const changed = batch.events.filter(event => event.kind.startsWith('run.'));
    const ids = new Set([...changed.map(event => event.subject), ...live.keys()]);
    for (const runId of ids) {
      this.activitySignal.emit({ runId, live: live.get(runId) ?? null });
    }
    if (batch.events.length > 0) {
      this.refreshIn(GATHER_MS);
    }
  }

  /** Many events may come at once: they are answered by reading once. */
  private refreshIn(milliseconds: number): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.refresh();
    }, milliseconds);
  }

  private onConnected(connected: boolean): void {
    if (connected) {
      // Whatever happened before somebody listened has to be read.
      this.connected = true;
      this.activitySignal.emit({ runId: null, live: null });
      void this.refresh();
    } else if (this.connected) {
      this.connected = false;
      this.emit();
    }
  }

  private onError(error: unknown): void {
    if (!(error instanceof ApiError)) {
      return;
    }
    if (error.isPassing) {
      this.refreshIn(AGAIN_MS);
      if (this.status === 'ready') {
        this.connected = false; // What was read stays to be seen.
        return;
      }
    }
    this.status = error.isNoWorkspace ? 'none' : 'error';
    this.error = error.body;
    this.connected = true;
  }

  /** The stream, begun anew, says when there is an answer: then everything is read anew. */
  private onLost(): void {
    this.stream.restart();
    this.connected = false;
    this.emit();
  }

  private emit(): void {
    if (!this.disposed) {
      this.changedSignal.emit();
    }
  }

  private readonly stream: EventStream;
  private readonly changedSignal = new Signal<this, void>(this);
  private readonly activitySignal = new Signal<this, IActivity>(this);
  private timer: ReturnType<typeof setTimeout> | undefined;
  private disposed = false;
}
