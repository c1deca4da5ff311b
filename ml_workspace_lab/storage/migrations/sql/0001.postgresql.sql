-- The schema of the first release.

CREATE TABLE audit (
  id BIGSERIAL NOT NULL,
  time BIGINT NOT NULL,
  principal TEXT NOT NULL,
  action TEXT NOT NULL,
  target TEXT NOT NULL,
  outcome TEXT NOT NULL,
  request_id TEXT NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE endpoint (
  id BIGSERIAL NOT NULL,
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
  primary_hash BYTEA NOT NULL,
  secondary_hash BYTEA NOT NULL,
  tags_json TEXT NOT NULL,
  "user" TEXT NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (name)
);

CREATE TABLE event (
  id BIGSERIAL NOT NULL,
  time BIGINT NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  data_json TEXT NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE experiment (
  id BIGSERIAL NOT NULL,
  uid TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  created BIGINT NOT NULL,
  runs INTEGER DEFAULT '0' NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (uid),
  UNIQUE (name)
);

CREATE TABLE model (
  id BIGSERIAL NOT NULL,
  name TEXT NOT NULL,
  created BIGINT NOT NULL,
  last_version INTEGER NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (name)
);

CREATE TABLE snapshot (
  digest TEXT NOT NULL,
  size BIGINT NOT NULL,
  notices_json TEXT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (digest)
);

CREATE TABLE token (
  id BIGSERIAL NOT NULL,
  uid TEXT NOT NULL,
  name TEXT NOT NULL,
  hash BYTEA NOT NULL,
  actions_json TEXT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  last_used BIGINT,
  PRIMARY KEY (id),
  UNIQUE (uid)
);

CREATE TABLE workspace (
  id BIGSERIAL NOT NULL,
  uid TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  tags_json TEXT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE model_version (
  id BIGSERIAL NOT NULL,
  model BIGINT NOT NULL,
  version INTEGER NOT NULL,
  run TEXT,
  snapshot TEXT,
  framework TEXT NOT NULL,
  description TEXT NOT NULL,
  tags_json TEXT NOT NULL,
  properties_json TEXT NOT NULL,
  files_json TEXT NOT NULL,
  executes_code INTEGER NOT NULL,
  "user" TEXT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(model) REFERENCES model (id) ON DELETE CASCADE
);

CREATE UNIQUE INDEX model_version_number ON model_version (model, version);

CREATE TABLE run (
  id BIGSERIAL NOT NULL,
  uid TEXT NOT NULL,
  experiment BIGINT NOT NULL,
  number INTEGER NOT NULL,
  parent TEXT,
  kind TEXT NOT NULL,
  display_name TEXT NOT NULL,
  description TEXT DEFAULT '' NOT NULL,
  state TEXT NOT NULL,
  reason TEXT DEFAULT '' NOT NULL,
  compute_target TEXT,
  "user" TEXT NOT NULL,
  created BIGINT NOT NULL,
  started BIGINT,
  ended BIGINT,
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
  run BIGINT NOT NULL,
  path TEXT NOT NULL,
  digest TEXT NOT NULL,
  size BIGINT NOT NULL,
  media_type TEXT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (run, path),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE TABLE job (
  run BIGINT NOT NULL,
  spec_json TEXT NOT NULL,
  attempt INTEGER DEFAULT '0' NOT NULL,
  native_id TEXT,
  enqueued BIGINT NOT NULL,
  cancel_requested BIGINT,
  PRIMARY KEY (run),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE TABLE param (
  run BIGINT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run, key),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE TABLE property (
  run BIGINT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run, key),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE TABLE run_history (
  run BIGINT NOT NULL,
  seq INTEGER NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NOT NULL,
  time BIGINT NOT NULL,
  PRIMARY KEY (run, seq),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE TABLE series (
  run BIGINT NOT NULL,
  key TEXT NOT NULL,
  summary_json TEXT NOT NULL,
  PRIMARY KEY (run, key),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE TABLE tag (
  run BIGINT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run, key),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);
