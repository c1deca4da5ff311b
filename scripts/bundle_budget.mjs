// The weight of the built front end, compressed as servers send it. Fails above the budget.
import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const FOLDER = 'ml_workspace_lab/labextension/static';
const KIB = 1024;
const BUDGET = { start: 60 * KIB, lazy: 180 * KIB };

const names = readdirSync(FOLDER).filter(name => name.endsWith('.js'));
const entry = names.find(name => name.startsWith('remoteEntry'));
// The entry lists what each exposed module needs: those parts come with the page, the rest later.
const exposed = /\{"\.\/index":.*?\}/.exec(readFileSync(`${FOLDER}/${entry}`, 'utf-8'))?.[0];
if (exposed === undefined) {
  console.error('This is no production build: run `jlpm build:prod` first.');
  process.exit(1);
}
const atStart = new Set([...exposed.matchAll(/\.e\((\d+)\)/g)].map(match => match[1]));

const sizes = { start: 0, lazy: 0 };
for (const name of names) {
  const size = gzipSync(readFileSync(`${FOLDER}/${name}`)).length;
  const part = name === entry || atStart.has(name.split('.')[0]) ? 'start' : 'lazy';
  sizes[part] += size;
  console.log(`${(size / KIB).toFixed(1).padStart(8)} KiB  ${part}  ${name}`);
}
let failed = false;
for (const [part, size] of Object.entries(sizes)) {
  const over = size > BUDGET[part];
  failed ||= over;
  console.log(
    `${part}: ${(size / KIB).toFixed(1)} KiB, ${over ? 'OVER' : 'within'} ${BUDGET[part] / KIB} KiB`
  );
}
process.exit(failed ? 1 : 0);
