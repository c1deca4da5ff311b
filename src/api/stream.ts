import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import { ApiError, Client } from './client';
import type { EventBatch } from './schema';
import { EventParser } from './sse';

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15000;

/**
 * The one live stream of the workspace. Reconnects where it left off; rests while the page is
 * hidden; says when everything has to be read anew.
 */
export class EventStream implements IDisposable {
  constructor(private readonly client: Client) {
    document.addEventListener('visibilitychange', this.onVisibility);
  }

  /** A batch of events arrived. */
  get batch(): ISignal<this, EventBatch> {
    return this.batchSignal;
  }

  /** The server has answered (true) or is no longer there (false). */
  get connected(): ISignal<this, boolean> {
    return this.connectedSignal;
  }

  get isDisposed(): boolean {
    return this.disposed;
  }

  /** Connect, unless that is so already or the page can't be seen. */
  start(): void {
    if (!this.abort && !this.disposed && !document.hidden) {
      void this.run();
    }
  }

  /** Connect anew; where that is being tried, it goes on as it was. */
  restart(): void {
    if (this.open) {
      this.open = false;
      this.abort?.abort();
      this.abort = null;
    }
    this.start();
  }

  dispose(): void {
    this.disposed = true;
    document.removeEventListener('visibilitychange', this.onVisibility);
    this.abort?.abort();
    Signal.clearData(this);
  }

  private async run(): Promise<void> {
    const abort = (this.abort = new AbortController());
    let pause = FIRST_PAUSE;
    while (!abort.signal.aborted) {
      try {
        await this.read(abort.signal, () => (pause = FIRST_PAUSE));
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) {
          // No workspace (any more): whoever starts one starts the stream again.
          this.connectedSignal.emit(true);
          break;
        }
      }
      this.open = false;
      this.connectedSignal.emit(false);
      await sleep(pause, abort.signal);
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    }
    if (this.abort === abort) {
      this.abort = null;
    }
  }

  private async read(signal: AbortSignal, onData: () => void): Promise<void> {
    const query = this.after === null ? '' : `?after=${this.after}`;
    const headers = { Accept: 'text/event-stream' };
    const response = await this.client.request('GET', `/events${query}`, undefined, {
      headers,
      signal
    });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new EventParser();
    this.open = true;
    this.connectedSignal.emit(true);
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      onData();
      for (const data of parser.feed(value)) {
        const batch: EventBatch = JSON.parse(data);
        this.after = batch.next;
        this.batchSignal.emit(batch);
      }
    }
  }

  private readonly onVisibility = (): void => {
    if (document.hidden) {
      this.abort?.abort();
      this.abort = null;
    } else {
      this.start();
    }
  };

  private readonly batchSignal = new Signal<this, EventBatch>(this);
  private readonly connectedSignal = new Signal<this, boolean>(this);
  private after: number | null = null;
  private abort: AbortController | null = null;
  private open = false;
  private disposed = false;
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
