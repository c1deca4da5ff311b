import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { ISignal, Signal } from '@lumino/signaling';

import type { ErrorBody } from './schema';

const API = 'ml-workspace-lab/api/v1';
// A network that changes under the browser cuts off what is under way: it is there again at once.
const PAUSES_MS = [200, 1000];
// Bad gateway, service unavailable, gateway timeout: a server that is about to end says so, and
// what stands before one that is not there yet.
const PASSING = [502, 503, 504];

/** A refusal by the server, in its own words. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly body: ErrorBody
  ) {
    super(body.message);
  }

  /** No workspace is configured, which is a state and not a fault. */
  get isNoWorkspace(): boolean {
    return this.body.error_code === 'WorkspaceNotConfigured';
  }

  /** It may be otherwise in a moment, without anybody doing anything. */
  get isPassing(): boolean {
    return PASSING.includes(this.status);
  }
}

/** The workspace API of the Jupyter server that this page came from. */
export class Client {
  constructor(readonly settings = ServerConnection.makeSettings()) {}

  /** No answer has come to somebody who has read, again and again. */
  get lost(): ISignal<this, void> {
    return this.lostSignal;
  }

  get<T>(path: string, query: Record<string, string | number> = {}): Promise<T> {
    return this.read(path + queryString(query), response => response.json());
  }

  async post<T>(path: string, body?: object): Promise<T> {
    return (await this.request('POST', path, body)).json();
  }

  /** The bytes behind a path. */
  bytes(path: string): Promise<Blob> {
    return this.read(path, response => response.blob());
  }

  /** The open answer; throws ApiError on a refusal. */
  async request(
    method: string,
    path: string,
    body?: object,
    init: { headers?: Record<string, string>; signal?: AbortSignal } = {}
  ): Promise<Response> {
    const url = URLExt.join(this.settings.baseUrl, API) + path;
    const headers = { ...init.headers, 'Content-Type': 'application/json' };
    const options: RequestInit = {
      ...init,
      method,
      headers,
      body: body && JSON.stringify(body)
    };
    const response = await ServerConnection.makeRequest(url, options, this.settings);
    if (!response.ok) {
      throw new ApiError(response.status, await errorBody(response));
    }
    return response;
  }

  /** Reading changes nothing, so that what a moment may mend is asked for again. */
  private async read<T>(
    path: string,
    content: (response: Response) => Promise<T>
  ): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return await content(await this.request('GET', path));
      } catch (error) {
        // What fetch throws, and JupyterLab's NetworkError after it.
        const isLost = error instanceof TypeError;
        const isPassing = error instanceof ApiError && error.isPassing;
        if (!isLost && !isPassing) {
          throw error;
        }
        if (tries === PAUSES_MS.length) {
          if (isLost) {
            this.lostSignal.emit();
          }
          throw error;
        }
        await new Promise(resolve => setTimeout(resolve, PAUSES_MS[tries]));
      }
    }
  }

  private readonly lostSignal = new Signal<this, void>(this);
}

/** One part of a path: a name is text and never steers the address. */
export function part(name: string): string {
  return encodeURIComponent(name);
}

function queryString(query: Record<string, string | number>): string {
  const text = new URLSearchParams(
    Object.entries(query).map(([name, value]) => [name, String(value)])
  ).toString();
  return text && `?${text}`;
}

async function errorBody(response: Response): Promise<ErrorBody> {
  try {
    const body = await response.json();
    if (typeof body.error_code === 'string') {
      return body;
    }
  } catch {
    // Not an answer of ours: said below.
  }
  return {
    error_code: 'NoWorkspaceServer',
    message: `This server has no workspace API (status ${response.status}).`,
    field: null,
    hint: 'Is the ml_workspace_lab server extension installed and enabled?',
    request_id: ''
  };
}
