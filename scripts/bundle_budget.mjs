// The weight of the built front end, compressed as servers send it. Fails above the budget.
import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const FOLDER = 'ml_workspace_lab/labextension/static';
const KIB = 1024;
const BUDGET = { 'at start': 60 * KIB, 'with the first run': 180 * KIB };

const sizes = { 'at start': 0, 'with the first run': 0 };
for (const name of readdirSync(FOLDER).filter(name => name.endsWith('.js'))) {
  const size = gzipSync(readFileSync(`${FOLDER}/${name}`)).length;
  const lazy = /runs_view|uplot|uPlot|ansi_up|vendors/.test(name);
  sizes[lazy ? 'with the first run' : 'at start'] += size;
  console.log(`${(size / KIB).toFixed(1).padStart(8)} KiB  ${lazy ? 'lazy ' : 'start'}  ${name}`);
}
let failed = false;
for (const [when, size] of Object.entries(sizes)) {
  const over = size > BUDGET[when];
  failed ||= over;
  const verdict = over ? 'OVER' : 'within';
  console.log(`${when}: ${(size / KIB).toFixed(1)} KiB, ${verdict} ${BUDGET[when] / KIB} KiB`);
}
process.exit(failed ? 1 : 0);
