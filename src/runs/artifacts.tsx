import { showErrorMessage } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import React, { useEffect, useState } from 'react';

import type { ArtifactInfo, ArtifactList } from '../api/schema';
import { bytes } from '../format';
import type { RunData } from './data';

const PREVIEWED = [
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
  'image/svg+xml'
];
const PREVIEW_LIMIT = 10 * 1024 * 1024;

/** The files that the run keeps: to save, and to look at where they are pictures. */
export function Artifacts({ run, trans }: { run: RunData; trans: TranslationBundle }) {
  const items = useArtifacts(run);
  const [shown, setShown] = useState<string | null>(null);
  if (items.length === 0) {
    return <p className="jp-mlws-Empty">{trans.__('The run has kept no files.')}</p>;
  }
  const picture = items.find(item => item.path === shown);
  return (
    <>
      <table className="jp-mlws-Table">
        <thead>
          <tr>
            <th scope="col">{trans.__('File')}</th>
            <th scope="col">{trans.__('Size')}</th>
            <th scope="col">{trans.__('Actions')}</th>
          </tr>
        </thead>
        <tbody>
          {items.map(item => (
            <tr key={item.path}>
              <td>{item.path}</td>
              <td>{bytes(item.size)}</td>
              <td>
                <button
                  type="button"
                  className="jp-mlws-link"
                  aria-label={trans.__('Download %1', item.path)}
                  onClick={() => void save(run, item, trans)}
                >
                  {trans.__('Download')}
                </button>
                {canPreview(item) && (
                  <button
                    type="button"
                    className="jp-mlws-link"
                    aria-label={trans.__('Show %1', item.path)}
                    onClick={() => setShown(item.path)}
                  >
                    {trans.__('Show')}
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {picture && <Picture run={run} item={picture} />}
    </>
  );
}

function useArtifacts(run: RunData): ArtifactInfo[] {
  const [items, setItems] = useState<ArtifactInfo[]>([]);
  useEffect(() => {
    let left = false;
    const read = async () => {
      try {
        const found = await run.workspace.client.get<ArtifactList>(
          `${run.path}/artifacts`
        );
        if (!left) {
          setItems(found.items);
        }
      } catch {
        // Offline: the next sign of life reads them.
      }
    };
    const slot = () => void read();
    run.changed.connect(slot);
    slot();
    return () => {
      left = true;
      run.changed.disconnect(slot);
    };
  }, [run]);
  return items;
}

/** A picture is drawn from its bytes as an image, never opened as a page of this server. */
function Picture({ run, item }: { run: RunData; item: ArtifactInfo }) {
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => {
    let made: string | null = null;
    let left = false;
    const draw = (blob: Blob) => {
      if (!left) {
        made = URL.createObjectURL(new Blob([blob], { type: item.media_type }));
        setUrl(made);
      }
    };
    // Where it can't be read, its name stays in the place of the picture.
    content(run, item).then(draw, () => setUrl(''));
    return () => {
      left = true;
      if (made) {
        URL.revokeObjectURL(made);
      }
    };
  }, [item.digest]);
  return url !== null ? (
    <img className="jp-mlws-Picture" src={url} alt={item.path} />
  ) : null;
}

function canPreview(item: ArtifactInfo): boolean {
  return PREVIEWED.includes(item.media_type) && item.size <= PREVIEW_LIMIT;
}

function content(run: RunData, item: ArtifactInfo): Promise<Blob> {
  const path = item.path.split('/').map(encodeURIComponent).join('/');
  return run.workspace.client.bytes(`${run.path}/artifacts/${path}`);
}

async function save(
  run: RunData,
  item: ArtifactInfo,
  trans: TranslationBundle
): Promise<void> {
  try {
    const url = URL.createObjectURL(await content(run, item));
    const link = document.createElement('a');
    link.href = url;
    link.download = item.path.split('/').pop()!;
    link.click();
    URL.revokeObjectURL(url);
  } catch (error) {
    await showErrorMessage(trans.__('The file was not downloaded'), error as Error);
  }
}
