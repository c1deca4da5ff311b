import type { ICell, INotebookContent, IOutput } from '@jupyterlab/nbformat';
import { OutputAreaModel, SimplifiedOutputArea } from '@jupyterlab/outputarea';
import { IRenderMimeRegistry, MimeModel } from '@jupyterlab/rendermime';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Panel, Widget } from '@lumino/widgets';

import { ApiError } from '../api/client';
import type { RunData } from './data';

/**
 * The executed notebook, growing while the run goes on. It is somebody's document, shown as
 * untrusted: its scripts don't run.
 */
export class NotebookPreview extends Panel {
  constructor(
    private readonly run: RunData,
    private readonly rendermime: IRenderMimeRegistry,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-mlws-Notebook');
    this.node.tabIndex = 0;
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Executed notebook'));
    run.grown.connect(this.onGrown, this);
    this.onGrown();
  }

  dispose(): void {
    this.run.grown.disconnect(this.onGrown, this);
    super.dispose();
  }

  private onGrown(): void {
    void this.refresh();
  }

  private async refresh(): Promise<void> {
    try {
      const content = await this.run.workspace.client.get<INotebookContent>(
        `${this.run.path}/notebook`
      );
      if (!this.isDisposed) {
        this.show_(content);
      }
    } catch (error) {
      if (error instanceof ApiError && this.widgets.length === 0) {
        this.node.dataset.empty = this.trans.__('No cell has been executed yet.');
      }
    }
  }

  /** Draw what has changed: a cell that is as it was stays as it is, with its scroll position. */
  private show_(content: INotebookContent): void {
    delete this.node.dataset.empty;
    content.cells.forEach((cell, index) => {
      const text = JSON.stringify(cell);
      if (this.drawn[index] === text) {
        return;
      }
      this.widgets[index]?.dispose();
      this.insertWidget(index, this.cell(cell));
      this.drawn[index] = text;
    });
    while (this.widgets.length > content.cells.length) {
      this.widgets[this.widgets.length - 1].dispose();
      this.drawn.pop();
    }
  }

  private cell(cell: ICell): Widget {
    const source = Array.isArray(cell.source) ? cell.source.join('') : cell.source;
    if (cell.cell_type === 'markdown') {
      return this.markdown(source);
    }
    const panel = new Panel();
    panel.addClass('jp-mlws-Cell');
    const code = new Widget({ node: document.createElement('pre') });
    code.addClass('jp-mlws-Cell-source');
    code.node.textContent = source;
    panel.addWidget(code);
    if (cell.cell_type === 'code') {
      const values = cell.outputs as IOutput[];
      panel.addWidget(
        new SimplifiedOutputArea({
          model: new OutputAreaModel({ values, trusted: false }),
          rendermime: this.rendermime
        })
      );
    }
    return panel;
  }

  private markdown(source: string): Widget {
    const renderer = this.rendermime.createRenderer('text/markdown');
    const data = { 'text/markdown': source };
    void renderer.renderModel(new MimeModel({ data, trusted: false }));
    return renderer;
  }

  private readonly drawn: string[] = [];
}
