-- From schema 1 to schema 2; what SQL alone can't fill, `to_schema_2` does.

ALTER TABLE experiment
  ADD COLUMN tags_json TEXT DEFAULT '{}' NOT NULL,
  ADD COLUMN updated BIGINT,
  ALTER COLUMN runs TYPE BIGINT,
  ADD COLUMN live BIGINT DEFAULT '0' NOT NULL,
  ADD COLUMN archived BIGINT,
  ADD COLUMN deleted BIGINT;

UPDATE experiment SET updated = created, live = runs;

ALTER TABLE experiment ALTER COLUMN updated SET NOT NULL;

ALTER TABLE model
  ADD COLUMN description TEXT DEFAULT '' NOT NULL,
  ADD COLUMN tags_json TEXT DEFAULT '{}' NOT NULL,
  ADD COLUMN updated BIGINT;

UPDATE model SET updated = created;

ALTER TABLE model ALTER COLUMN updated SET NOT NULL;

ALTER TABLE model_version
  ADD COLUMN logged_model TEXT,
  ADD COLUMN source TEXT,
  ADD COLUMN stage TEXT DEFAULT '' NOT NULL,
  ADD COLUMN run_link TEXT DEFAULT '' NOT NULL,
  ADD COLUMN updated BIGINT;

UPDATE model_version SET updated = created;

ALTER TABLE model_version ALTER COLUMN updated SET NOT NULL;

ALTER TABLE run
  ALTER COLUMN number TYPE BIGINT,
  ADD COLUMN deleted BIGINT,
  ADD COLUMN changed BIGINT DEFAULT 0 NOT NULL,
  ADD COLUMN doc BYTEA DEFAULT '' NOT NULL;

ALTER TABLE run ALTER COLUMN changed DROP DEFAULT, ALTER COLUMN doc DROP DEFAULT;

DROP INDEX run_experiment;

ALTER TABLE series RENAME TO v1_series;

ALTER INDEX series_pkey RENAME TO v1_series_pkey;

CREATE TABLE key (
  id BIGSERIAL NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (kind, name)
);

CREATE TABLE logged_model (
  id BIGSERIAL NOT NULL,
  uid TEXT NOT NULL,
  experiment BIGINT NOT NULL,
  name TEXT NOT NULL,
  model_type TEXT DEFAULT '' NOT NULL,
  run TEXT,
  status TEXT NOT NULL,
  status_message TEXT DEFAULT '' NOT NULL,
  params_json TEXT DEFAULT '{}' NOT NULL,
  tags_json TEXT DEFAULT '{}' NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  deleted BIGINT,
  PRIMARY KEY (id),
  UNIQUE (uid),
  FOREIGN KEY(experiment) REFERENCES experiment (id)
);

CREATE INDEX logged_model_experiment ON logged_model (experiment, created);

CREATE TABLE model_alias (
  model BIGINT NOT NULL,
  alias TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (model, alias),
  FOREIGN KEY(model) REFERENCES model (id) ON DELETE CASCADE
);

CREATE INDEX run_active ON run (id) WHERE ended IS NULL;

CREATE INDEX run_changed ON run (changed);

CREATE INDEX run_experiment ON run (experiment, created, id) WHERE deleted IS NULL;

CREATE INDEX run_name ON run (display_name);

CREATE INDEX run_newest ON run (created, id) WHERE deleted IS NULL;

CREATE INDEX run_trash ON run (deleted, id) WHERE deleted IS NOT NULL;

CREATE INDEX artifact_digest ON artifact (digest);

CREATE TABLE attribute (
  run BIGINT NOT NULL,
  key BIGINT NOT NULL,
  value TEXT NOT NULL,
  number DOUBLE PRECISION,
  PRIMARY KEY (run, key),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE INDEX attribute_number ON attribute (key, number, run) WHERE number IS NOT NULL;

CREATE INDEX attribute_value ON attribute (key, substr(value, 1, 64), run);

CREATE TABLE chunk (
  id BIGSERIAL NOT NULL,
  run BIGINT NOT NULL,
  key BIGINT NOT NULL,
  count INTEGER NOT NULL,
  first_time BIGINT NOT NULL,
  last_time BIGINT NOT NULL,
  first_step BIGINT NOT NULL,
  last_step BIGINT NOT NULL,
  preview BYTEA,
  body BYTEA NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE INDEX chunk_series ON chunk (run, key, id);

CREATE TABLE lineage (
  id BIGSERIAL NOT NULL,
  run BIGINT NOT NULL,
  direction TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  context TEXT NOT NULL,
  data_json TEXT DEFAULT '{}' NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (run, direction, kind, name, digest, context),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE INDEX lineage_name ON lineage (kind, name, digest);

CREATE TABLE logged_model_file (
  logged_model BIGINT NOT NULL,
  path TEXT NOT NULL,
  digest TEXT NOT NULL,
  size BIGINT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (logged_model, path),
  FOREIGN KEY(logged_model) REFERENCES logged_model (id) ON DELETE CASCADE
);

CREATE TABLE logged_model_metric (
  id BIGSERIAL NOT NULL,
  logged_model BIGINT NOT NULL,
  run TEXT,
  name TEXT NOT NULL,
  value DOUBLE PRECISION,
  step BIGINT NOT NULL,
  time BIGINT NOT NULL,
  dataset_name TEXT DEFAULT '' NOT NULL,
  dataset_digest TEXT DEFAULT '' NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(logged_model) REFERENCES logged_model (id) ON DELETE CASCADE
);

CREATE INDEX logged_model_metric_name ON logged_model_metric (logged_model, name);

CREATE TABLE mark (
  run BIGINT NOT NULL,
  writer TEXT NOT NULL,
  records BIGINT NOT NULL,
  PRIMARY KEY (run, writer),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE TABLE series (
  run BIGINT NOT NULL,
  key BIGINT NOT NULL,
  count BIGINT NOT NULL,
  last DOUBLE PRECISION,
  last_step BIGINT NOT NULL,
  last_time BIGINT NOT NULL,
  low DOUBLE PRECISION,
  low_step BIGINT,
  high DOUBLE PRECISION,
  high_step BIGINT,
  PRIMARY KEY (run, key),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE INDEX series_last ON series (key, last, run);

ALTER TABLE token ADD COLUMN run TEXT;

CREATE TABLE webhook (
  id BIGSERIAL NOT NULL,
  uid TEXT NOT NULL,
  name TEXT NOT NULL,
  url TEXT NOT NULL,
  description TEXT DEFAULT '' NOT NULL,
  events_json TEXT NOT NULL,
  secret TEXT,
  status TEXT NOT NULL,
  seen BIGINT NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (uid)
);

CREATE TABLE webhook_network (
  network TEXT NOT NULL,
  PRIMARY KEY (network)
);

CREATE TABLE trace (
  id BIGSERIAL NOT NULL,
  uid TEXT NOT NULL,
  experiment BIGINT NOT NULL,
  created BIGINT NOT NULL,
  duration BIGINT,
  state TEXT NOT NULL,
  client_request_id TEXT,
  request_preview TEXT,
  response_preview TEXT,
  started INTEGER NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (uid),
  FOREIGN KEY(experiment) REFERENCES experiment (id) ON DELETE CASCADE
);

CREATE INDEX trace_newest ON trace (experiment, created, id);

CREATE TABLE webhook_delivery (
  id BIGSERIAL NOT NULL,
  webhook BIGINT NOT NULL,
  event BIGINT NOT NULL,
  kind TEXT NOT NULL,
  payload_json TEXT NOT NULL,
  attempts INTEGER DEFAULT '0' NOT NULL,
  due BIGINT NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(webhook) REFERENCES webhook (id) ON DELETE CASCADE
);

CREATE INDEX webhook_delivery_due ON webhook_delivery (due);

CREATE TABLE assessment (
  id BIGSERIAL NOT NULL,
  uid TEXT NOT NULL,
  trace BIGINT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  value TEXT,
  body_json TEXT NOT NULL,
  valid INTEGER NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (uid),
  FOREIGN KEY(trace) REFERENCES trace (id) ON DELETE CASCADE
);

CREATE INDEX assessment_trace ON assessment (trace, kind, name);

CREATE TABLE trace_file (
  trace BIGINT NOT NULL,
  path TEXT NOT NULL,
  digest TEXT NOT NULL,
  size BIGINT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (trace, path),
  FOREIGN KEY(trace) REFERENCES trace (id) ON DELETE CASCADE
);

CREATE TABLE trace_pair (
  trace BIGINT NOT NULL,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (trace, kind, key),
  FOREIGN KEY(trace) REFERENCES trace (id) ON DELETE CASCADE
);

CREATE TABLE trace_run (
  trace BIGINT NOT NULL,
  run TEXT NOT NULL,
  PRIMARY KEY (trace, run),
  FOREIGN KEY(trace) REFERENCES trace (id) ON DELETE CASCADE
);

CREATE INDEX trace_run_run ON trace_run (run);

CREATE TABLE trace_span (
  trace BIGINT NOT NULL,
  uid TEXT NOT NULL,
  parent TEXT,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  status TEXT NOT NULL,
  started BIGINT NOT NULL,
  ended BIGINT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (trace, uid),
  FOREIGN KEY(trace) REFERENCES trace (id) ON DELETE CASCADE
);
