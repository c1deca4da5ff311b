-- The schema of the first release.

CREATE TABLE audit (
  id INTEGER NOT NULL,
  time INTEGER NOT NULL,
  principal TEXT NOT NULL,
  action TEXT NOT NULL,
  target TEXT NOT NULL,
  outcome TEXT NOT NULL,
  request_id TEXT NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE endpoint (
  id INTEGER NOT NULL,
  name TEXT NOT NULL,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  scoring_script TEXT,
  python TEXT,
  port INTEGER NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NOT NULL,
  generation INTEGER NOT NULL,
  restarts INTEGER DEFAULT '0' NOT NULL,
  native_id TEXT,
  primary_hash BLOB NOT NULL,
  secondary_hash BLOB NOT NULL,
  tags_json TEXT NOT NULL,
  user TEXT NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (name)
);

CREATE TABLE event (
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  time INTEGER NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  data_json TEXT NOT NULL
);

CREATE TABLE experiment (
  id INTEGER NOT NULL,
  uid TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  created INTEGER NOT NULL,
  runs INTEGER DEFAULT '0' NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (uid),
  UNIQUE (name)
);

CREATE TABLE model (
  id INTEGER NOT NULL,
  name TEXT NOT NULL,
  created INTEGER NOT NULL,
  last_version INTEGER NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (name)
);

CREATE TABLE snapshot (
  digest TEXT NOT NULL,
  size INTEGER NOT NULL,
  notices_json TEXT NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (digest)
);

CREATE TABLE token (
  id INTEGER NOT NULL,
  uid TEXT NOT NULL,
  name TEXT NOT NULL,
  hash BLOB NOT NULL,
  actions_json TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  last_used INTEGER,
  PRIMARY KEY (id),
  UNIQUE (uid)
);

CREATE TABLE workspace (
  id INTEGER NOT NULL,
  uid TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  tags_json TEXT NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE model_version (
  id INTEGER NOT NULL,
  model INTEGER NOT NULL,
  version INTEGER NOT NULL,
  run TEXT,
  snapshot TEXT,
  framework TEXT NOT NULL,
  description TEXT NOT NULL,
  tags_json TEXT NOT NULL,
  properties_json TEXT NOT NULL,
  files_json TEXT NOT NULL,
  executes_code INTEGER NOT NULL,
  user TEXT NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(model) REFERENCES model (id) ON DELETE CASCADE
);

CREATE UNIQUE INDEX model_version_number ON model_version (model, version);

CREATE TABLE run (
  id INTEGER NOT NULL,
  uid TEXT NOT NULL,
  experiment INTEGER NOT NULL,
  number INTEGER NOT NULL,
  parent TEXT,
  kind TEXT NOT NULL,
  display_name TEXT NOT NULL,
  description TEXT DEFAULT '' NOT NULL,
  state TEXT NOT NULL,
  reason TEXT DEFAULT '' NOT NULL,
  compute_target TEXT,
  user TEXT NOT NULL,
  created INTEGER NOT NULL,
  started INTEGER,
  ended INTEGER,
  snapshot TEXT,
  notebook TEXT,
  progress_json TEXT,
  PRIMARY KEY (id),
  UNIQUE (uid),
  FOREIGN KEY(experiment) REFERENCES experiment (id)
);

CREATE INDEX run_experiment ON run (experiment, id);

CREATE INDEX run_parent ON run (parent);

CREATE INDEX run_state ON run (state);

CREATE TABLE artifact (
  run INTEGER NOT NULL,
  path TEXT NOT NULL,
  digest TEXT NOT NULL,
  size INTEGER NOT NULL,
  media_type TEXT NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (run, path),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE TABLE job (
  run INTEGER NOT NULL,
  spec_json TEXT NOT NULL,
  attempt INTEGER DEFAULT '0' NOT NULL,
  native_id TEXT,
  enqueued INTEGER NOT NULL,
  cancel_requested INTEGER,
  PRIMARY KEY (run),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE TABLE param (
  run INTEGER NOT NULL,
  "key" TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run, "key"),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE TABLE property (
  run INTEGER NOT NULL,
  "key" TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run, "key"),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE TABLE run_history (
  run INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NOT NULL,
  time INTEGER NOT NULL,
  PRIMARY KEY (run, seq),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE TABLE series (
  run INTEGER NOT NULL,
  "key" TEXT NOT NULL,
  summary_json TEXT NOT NULL,
  PRIMARY KEY (run, "key"),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE TABLE tag (
  run INTEGER NOT NULL,
  "key" TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run, "key"),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);
