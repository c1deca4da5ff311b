import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { ErrorBody } from './schema';

const API = 'ml-workspace-lab/api/v1';
// A network that changes under the browser cuts off what is under way: it is there again at once.
const PAUSES_MS = [200, 1000];

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
}

/** The workspace API of the Jupyter server that this page came from. */
export class Client {
  constructor(readonly settings = ServerConnection.makeSettings()) {}

  /** What stands at a path. Reading changes nothing, so that a lost answer is asked for again. */
  async get<T>(path: string, query: Record<string, string | number> = {}): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return await (await this.request('GET', path + queryString(query))).json();
      } catch (error) {
        if (error instanceof ApiError || tries === PAUSES_MS.length) {
          throw error;
        }
        await new Promise(resolve => setTimeout(resolve, PAUSES_MS[tries]));
      }
    }
  }

  async post<T>(path: string, body?: object): Promise<T> {
    return (await this.request('POST', path, body)).json();
  }

  /** The bytes behind a path. */
  async bytes(path: string): Promise<Blob> {
    return (await this.request('GET', path)).blob();
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
