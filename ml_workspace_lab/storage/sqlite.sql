-- Generated from the package `schema`; change that one.

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

CREATE TABLE compute_instance (
  id INTEGER NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NOT NULL,
  launch INTEGER NOT NULL,
  operation_json TEXT NOT NULL,
  owner TEXT NOT NULL,
  assigned_user TEXT,
  environment TEXT,
  idle_seconds DOUBLE,
  schedules_json TEXT NOT NULL,
  since INTEGER NOT NULL,
  scripts_json TEXT NOT NULL,
  variables_json TEXT NOT NULL,
  restarts INTEGER DEFAULT '0' NOT NULL,
  description TEXT NOT NULL,
  tags_json TEXT NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  compute_target TEXT DEFAULT 'local' NOT NULL,
  resources_json TEXT,
  PRIMARY KEY (id),
  UNIQUE (name)
);

CREATE TABLE compute_target (
  id INTEGER NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  description TEXT NOT NULL,
  settings_json TEXT NOT NULL,
  quotas_json TEXT NOT NULL,
  problems_json TEXT NOT NULL,
  tags_json TEXT NOT NULL,
  user TEXT NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  workspace_url TEXT,
  PRIMARY KEY (id),
  UNIQUE (name)
);

CREATE TABLE endpoint (
  id INTEGER NOT NULL,
  name TEXT NOT NULL,
  port INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  primary_hash BLOB NOT NULL,
  secondary_hash BLOB NOT NULL,
  tags_json TEXT NOT NULL,
  user TEXT NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  traffic_json TEXT DEFAULT '{}' NOT NULL,
  mirror_json TEXT DEFAULT '{}' NOT NULL,
  rollback_json TEXT,
  rollout_json TEXT,
  rolled_back_json TEXT,
  export_json TEXT,
  PRIMARY KEY (id),
  UNIQUE (name)
);

CREATE TABLE endpoint_export (
  id INTEGER NOT NULL,
  export_json TEXT NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE environment (
  id INTEGER NOT NULL,
  name TEXT NOT NULL,
  versions INTEGER DEFAULT '0' NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (name)
);

CREATE TABLE evaluation_dataset (
  id INTEGER NOT NULL,
  uid TEXT NOT NULL,
  name TEXT NOT NULL,
  tags_json TEXT DEFAULT '{}' NOT NULL,
  fields_json TEXT,
  digest TEXT NOT NULL,
  records INTEGER DEFAULT '0' NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  created_by TEXT,
  updated_by TEXT,
  PRIMARY KEY (id),
  UNIQUE (uid)
);

CREATE INDEX evaluation_dataset_newest ON evaluation_dataset (created, id);

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
  tags_json TEXT DEFAULT '{}' NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  runs INTEGER DEFAULT '0' NOT NULL,
  live INTEGER DEFAULT '0' NOT NULL,
  archived INTEGER,
  deleted INTEGER,
  PRIMARY KEY (id),
  UNIQUE (uid),
  UNIQUE (name)
);

CREATE TABLE "key" (
  id INTEGER NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (kind, name)
);

CREATE TABLE model (
  id INTEGER NOT NULL,
  name TEXT NOT NULL,
  description TEXT DEFAULT '' NOT NULL,
  tags_json TEXT DEFAULT '{}' NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  last_version INTEGER NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (name)
);

CREATE TABLE pack (
  id INTEGER NOT NULL,
  name TEXT NOT NULL,
  size INTEGER NOT NULL,
  created INTEGER NOT NULL,
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
  run TEXT,
  attempt INTEGER,
  PRIMARY KEY (id),
  UNIQUE (uid)
);

CREATE TABLE webhook (
  id INTEGER NOT NULL,
  uid TEXT NOT NULL,
  name TEXT NOT NULL,
  url TEXT NOT NULL,
  description TEXT DEFAULT '' NOT NULL,
  events_json TEXT NOT NULL,
  secret TEXT,
  status TEXT NOT NULL,
  seen INTEGER NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (uid)
);

CREATE TABLE webhook_network (
  network TEXT NOT NULL,
  PRIMARY KEY (network)
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

CREATE TABLE deployment (
  endpoint INTEGER NOT NULL,
  name TEXT NOT NULL,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  scoring_script TEXT,
  python TEXT,
  state TEXT NOT NULL,
  reason TEXT NOT NULL,
  generation INTEGER NOT NULL,
  restarts INTEGER DEFAULT '0' NOT NULL,
  variables_json TEXT DEFAULT '{}' NOT NULL,
  settings_json TEXT DEFAULT '{}' NOT NULL,
  engine TEXT DEFAULT 'auto' NOT NULL,
  providers_json TEXT DEFAULT '[]' NOT NULL,
  served_json TEXT,
  user TEXT NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  sampling_json TEXT,
  scaling_json TEXT DEFAULT '{}' NOT NULL,
  workers INTEGER DEFAULT '0' NOT NULL,
  compute_target TEXT DEFAULT 'local' NOT NULL,
  environment TEXT,
  resources_json TEXT,
  PRIMARY KEY (endpoint, name),
  FOREIGN KEY(endpoint) REFERENCES endpoint (id) ON DELETE CASCADE
);

CREATE TABLE environment_version (
  id INTEGER NOT NULL,
  environment INTEGER NOT NULL,
  version INTEGER NOT NULL,
  kind TEXT NOT NULL,
  specification_json TEXT NOT NULL,
  variables_json TEXT DEFAULT '{}' NOT NULL,
  digest TEXT NOT NULL,
  lock_json TEXT,
  description TEXT DEFAULT '' NOT NULL,
  tags_json TEXT DEFAULT '{}' NOT NULL,
  user TEXT NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (environment, version),
  UNIQUE (environment, digest),
  FOREIGN KEY(environment) REFERENCES environment (id) ON DELETE CASCADE
);

CREATE TABLE evaluation_dataset_experiment (
  evaluation_dataset INTEGER NOT NULL,
  experiment INTEGER NOT NULL,
  PRIMARY KEY (evaluation_dataset, experiment),
  FOREIGN KEY(evaluation_dataset) REFERENCES evaluation_dataset (id) ON DELETE CASCADE,
  FOREIGN KEY(experiment) REFERENCES experiment (id) ON DELETE CASCADE
);

CREATE INDEX evaluation_dataset_of_experiment ON evaluation_dataset_experiment (experiment, evaluation_dataset);

CREATE TABLE evaluation_record (
  id INTEGER NOT NULL,
  uid TEXT NOT NULL,
  evaluation_dataset INTEGER NOT NULL,
  hash TEXT NOT NULL,
  inputs_json TEXT NOT NULL,
  outputs_json TEXT NOT NULL,
  expectations_json TEXT NOT NULL,
  tags_json TEXT NOT NULL,
  source_json TEXT NOT NULL,
  size INTEGER NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  created_by TEXT,
  updated_by TEXT,
  PRIMARY KEY (id),
  UNIQUE (uid),
  FOREIGN KEY(evaluation_dataset) REFERENCES evaluation_dataset (id) ON DELETE CASCADE
);

CREATE UNIQUE INDEX evaluation_record_hash ON evaluation_record (evaluation_dataset, hash);

CREATE INDEX evaluation_record_oldest ON evaluation_record (evaluation_dataset, id);

CREATE TABLE issue (
  id INTEGER NOT NULL,
  uid TEXT NOT NULL,
  experiment INTEGER NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  status TEXT NOT NULL,
  severity TEXT,
  root_causes_json TEXT NOT NULL,
  categories_json TEXT NOT NULL,
  source_run TEXT,
  created_by TEXT,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (uid),
  FOREIGN KEY(experiment) REFERENCES experiment (id) ON DELETE CASCADE
);

CREATE INDEX issue_of_experiment ON issue (experiment, created);

CREATE TABLE logged_model (
  id INTEGER NOT NULL,
  uid TEXT NOT NULL,
  experiment INTEGER NOT NULL,
  name TEXT NOT NULL,
  model_type TEXT DEFAULT '' NOT NULL,
  run TEXT,
  status TEXT NOT NULL,
  status_message TEXT DEFAULT '' NOT NULL,
  params_json TEXT DEFAULT '{}' NOT NULL,
  tags_json TEXT DEFAULT '{}' NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  deleted INTEGER,
  PRIMARY KEY (id),
  UNIQUE (uid),
  FOREIGN KEY(experiment) REFERENCES experiment (id)
);

CREATE INDEX logged_model_experiment ON logged_model (experiment, created);

CREATE TABLE model_alias (
  model INTEGER NOT NULL,
  alias TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (model, alias),
  FOREIGN KEY(model) REFERENCES model (id) ON DELETE CASCADE
);

CREATE TABLE model_compilation (
  model INTEGER NOT NULL,
  version INTEGER NOT NULL,
  content TEXT NOT NULL,
  onnx TEXT,
  verdict_json TEXT NOT NULL,
  user TEXT NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (model, version),
  FOREIGN KEY(model) REFERENCES model (id) ON DELETE CASCADE
);

CREATE INDEX model_compilation_content ON model_compilation (content);

CREATE TABLE model_profile (
  model INTEGER NOT NULL,
  version INTEGER NOT NULL,
  content TEXT NOT NULL,
  measured_json TEXT NOT NULL,
  user TEXT NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (model, version),
  FOREIGN KEY(model) REFERENCES model (id) ON DELETE CASCADE
);

CREATE TABLE model_trust (
  model INTEGER NOT NULL,
  version INTEGER NOT NULL,
  digest TEXT NOT NULL,
  user TEXT NOT NULL,
  note TEXT DEFAULT '' NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (model, version),
  FOREIGN KEY(model) REFERENCES model (id) ON DELETE CASCADE
);

CREATE TABLE model_version (
  id INTEGER NOT NULL,
  model INTEGER NOT NULL,
  version INTEGER NOT NULL,
  run TEXT,
  snapshot TEXT,
  logged_model TEXT,
  source TEXT,
  framework TEXT NOT NULL,
  stage TEXT DEFAULT '' NOT NULL,
  description TEXT NOT NULL,
  tags_json TEXT NOT NULL,
  properties_json TEXT NOT NULL,
  files_json TEXT NOT NULL,
  run_link TEXT DEFAULT '' NOT NULL,
  executes_code INTEGER NOT NULL,
  user TEXT NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(model) REFERENCES model (id) ON DELETE CASCADE
);

CREATE UNIQUE INDEX model_version_number ON model_version (model, version);

CREATE TABLE packed (
  digest TEXT NOT NULL,
  pack INTEGER NOT NULL,
  start INTEGER NOT NULL,
  size INTEGER NOT NULL,
  renewed INTEGER NOT NULL,
  PRIMARY KEY (digest),
  FOREIGN KEY(pack) REFERENCES pack (id)
);

CREATE INDEX packed_pack ON packed (pack);

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
  deleted INTEGER,
  snapshot TEXT,
  notebook TEXT,
  progress_json TEXT,
  changed INTEGER NOT NULL,
  doc BLOB NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (uid),
  FOREIGN KEY(experiment) REFERENCES experiment (id)
);

CREATE INDEX run_active ON run (id) WHERE ended IS NULL;

CREATE INDEX run_changed ON run (changed);

CREATE INDEX run_experiment ON run (experiment, created, id) WHERE deleted IS NULL;

CREATE INDEX run_name ON run (display_name);

CREATE INDEX run_newest ON run (created, id) WHERE deleted IS NULL;

CREATE INDEX run_parent ON run (parent);

CREATE INDEX run_snapshot ON run (snapshot);

CREATE INDEX run_state ON run (state);

CREATE INDEX run_trash ON run (deleted, id) WHERE deleted IS NOT NULL;

CREATE TABLE scorer (
  id INTEGER NOT NULL,
  uid TEXT NOT NULL,
  experiment INTEGER NOT NULL,
  name TEXT NOT NULL,
  sampling TEXT,
  share DOUBLE,
  filter TEXT,
  PRIMARY KEY (id),
  UNIQUE (uid),
  FOREIGN KEY(experiment) REFERENCES experiment (id) ON DELETE CASCADE,
  UNIQUE (sampling)
);

CREATE UNIQUE INDEX scorer_name ON scorer (experiment, name);

CREATE TABLE trace (
  id INTEGER NOT NULL,
  uid TEXT NOT NULL,
  experiment INTEGER NOT NULL,
  created INTEGER NOT NULL,
  duration INTEGER,
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
  id INTEGER NOT NULL,
  webhook INTEGER NOT NULL,
  event INTEGER NOT NULL,
  kind TEXT NOT NULL,
  payload_json TEXT NOT NULL,
  attempts INTEGER DEFAULT '0' NOT NULL,
  due INTEGER NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(webhook) REFERENCES webhook (id) ON DELETE CASCADE
);

CREATE INDEX webhook_delivery_due ON webhook_delivery (due);

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

CREATE INDEX artifact_digest ON artifact (digest);

CREATE TABLE assessment (
  id INTEGER NOT NULL,
  uid TEXT NOT NULL,
  trace INTEGER NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  value TEXT,
  body_json TEXT NOT NULL,
  valid INTEGER NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (uid),
  FOREIGN KEY(trace) REFERENCES trace (id) ON DELETE CASCADE
);

CREATE INDEX assessment_name ON assessment (kind, name, trace);

CREATE INDEX assessment_trace ON assessment (trace, kind, name);

CREATE TABLE attempt (
  run INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  nonce TEXT NOT NULL,
  native_id TEXT NOT NULL,
  host TEXT NOT NULL,
  version TEXT NOT NULL,
  claimed INTEGER NOT NULL,
  seq INTEGER DEFAULT '0' NOT NULL,
  log_size INTEGER DEFAULT '0' NOT NULL,
  reported INTEGER,
  state TEXT,
  reason TEXT DEFAULT '' NOT NULL,
  exit_code INTEGER,
  signal INTEGER,
  peak_rss INTEGER,
  oom_kills INTEGER,
  dropped_lines INTEGER DEFAULT '0' NOT NULL,
  dropped_bytes INTEGER DEFAULT '0' NOT NULL,
  PRIMARY KEY (run, attempt),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE TABLE attribute (
  run INTEGER NOT NULL,
  "key" INTEGER NOT NULL,
  value TEXT NOT NULL,
  number DOUBLE,
  PRIMARY KEY (run, "key"),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
)
 WITHOUT ROWID;

CREATE INDEX attribute_number ON attribute ("key", number, run) WHERE number IS NOT NULL;

CREATE INDEX attribute_value ON attribute ("key", substr(value, 1, 64), run);

CREATE TABLE chunk (
  id INTEGER NOT NULL,
  run INTEGER NOT NULL,
  "key" INTEGER NOT NULL,
  count INTEGER NOT NULL,
  first_time INTEGER NOT NULL,
  last_time INTEGER NOT NULL,
  first_step INTEGER NOT NULL,
  last_step INTEGER NOT NULL,
  preview BLOB,
  body BLOB NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE INDEX chunk_series ON chunk (run, "key", id);

CREATE TABLE job (
  run INTEGER NOT NULL,
  spec_json TEXT NOT NULL,
  target TEXT NOT NULL,
  owner TEXT NOT NULL,
  stage TEXT NOT NULL,
  priority INTEGER DEFAULT '0' NOT NULL,
  cores DOUBLE DEFAULT '1' NOT NULL,
  memory INTEGER DEFAULT '0' NOT NULL,
  gpus INTEGER DEFAULT '0' NOT NULL,
  nodes INTEGER DEFAULT '1' NOT NULL,
  attempt INTEGER DEFAULT '0' NOT NULL,
  native_id TEXT,
  enqueued INTEGER NOT NULL,
  not_before INTEGER DEFAULT '0' NOT NULL,
  begun INTEGER,
  cancel_requested INTEGER,
  PRIMARY KEY (run),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE INDEX job_turn ON job (target, stage, owner, priority DESC, run);

CREATE TABLE job_after (
  run INTEGER NOT NULL,
  upstream INTEGER NOT NULL,
  condition TEXT NOT NULL,
  PRIMARY KEY (run, upstream),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE,
  FOREIGN KEY(upstream) REFERENCES run (id) ON DELETE CASCADE
);

CREATE INDEX job_after_upstream ON job_after (upstream);

CREATE TABLE lineage (
  id INTEGER NOT NULL,
  run INTEGER NOT NULL,
  direction TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  context TEXT NOT NULL,
  data_json TEXT DEFAULT '{}' NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (run, direction, kind, name, digest, context),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE INDEX lineage_name ON lineage (kind, name, digest);

CREATE TABLE logged_model_file (
  logged_model INTEGER NOT NULL,
  path TEXT NOT NULL,
  digest TEXT NOT NULL,
  size INTEGER NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (logged_model, path),
  FOREIGN KEY(logged_model) REFERENCES logged_model (id) ON DELETE CASCADE
);

CREATE TABLE logged_model_metric (
  id INTEGER NOT NULL,
  logged_model INTEGER NOT NULL,
  run TEXT,
  name TEXT NOT NULL,
  value DOUBLE,
  step INTEGER NOT NULL,
  time INTEGER NOT NULL,
  dataset_name TEXT DEFAULT '' NOT NULL,
  dataset_digest TEXT DEFAULT '' NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(logged_model) REFERENCES logged_model (id) ON DELETE CASCADE
);

CREATE INDEX logged_model_metric_name ON logged_model_metric (logged_model, name);

CREATE TABLE mark (
  run INTEGER NOT NULL,
  writer TEXT NOT NULL,
  records INTEGER NOT NULL,
  PRIMARY KEY (run, writer),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE TABLE run_environment (
  run INTEGER NOT NULL,
  name TEXT,
  version INTEGER,
  digest TEXT,
  fingerprint TEXT,
  PRIMARY KEY (run),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE INDEX run_environment_digest ON run_environment (digest);

CREATE INDEX run_environment_fingerprint ON run_environment (fingerprint, run);

CREATE INDEX run_environment_name ON run_environment (name, version);

CREATE TABLE run_history (
  run INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NOT NULL,
  time INTEGER NOT NULL,
  PRIMARY KEY (run, seq),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
);

CREATE TABLE scorer_version (
  scorer INTEGER NOT NULL,
  version INTEGER NOT NULL,
  content TEXT NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (scorer, version),
  FOREIGN KEY(scorer) REFERENCES scorer (id) ON DELETE CASCADE
);

CREATE TABLE series (
  run INTEGER NOT NULL,
  "key" INTEGER NOT NULL,
  count INTEGER NOT NULL,
  last DOUBLE,
  last_step INTEGER NOT NULL,
  last_time INTEGER NOT NULL,
  low DOUBLE,
  low_step INTEGER,
  high DOUBLE,
  high_step INTEGER,
  PRIMARY KEY (run, "key"),
  FOREIGN KEY(run) REFERENCES run (id) ON DELETE CASCADE
)
 WITHOUT ROWID;

CREATE INDEX series_last ON series ("key", last, run);

CREATE TABLE trace_file (
  trace INTEGER NOT NULL,
  path TEXT NOT NULL,
  digest TEXT NOT NULL,
  size INTEGER NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (trace, path),
  FOREIGN KEY(trace) REFERENCES trace (id) ON DELETE CASCADE
);

CREATE TABLE trace_pair (
  trace INTEGER NOT NULL,
  kind TEXT NOT NULL,
  "key" TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (trace, kind, "key"),
  FOREIGN KEY(trace) REFERENCES trace (id) ON DELETE CASCADE
);

CREATE TABLE trace_run (
  trace INTEGER NOT NULL,
  run TEXT NOT NULL,
  PRIMARY KEY (trace, run),
  FOREIGN KEY(trace) REFERENCES trace (id) ON DELETE CASCADE
);

CREATE INDEX trace_run_run ON trace_run (run);

CREATE TABLE trace_span (
  trace INTEGER NOT NULL,
  uid TEXT NOT NULL,
  parent TEXT,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  status TEXT NOT NULL,
  started INTEGER NOT NULL,
  ended INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (trace, uid),
  FOREIGN KEY(trace) REFERENCES trace (id) ON DELETE CASCADE
);
