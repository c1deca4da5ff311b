-- From schema 11 to schema 12: endpoints with several deployments. What an endpoint had becomes its
-- deployment `default`, which gets all requests; its generation is a new one, so that a process that
-- knows of no others is replaced by one that does, without a pause.

CREATE TEMP TABLE v11_endpoint AS SELECT * FROM endpoint;

DROP TABLE endpoint;

CREATE TABLE endpoint (
  id INTEGER NOT NULL,
  name TEXT NOT NULL,
  port INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  primary_hash BLOB NOT NULL,
  secondary_hash BLOB NOT NULL,
  tags_json TEXT NOT NULL,
  "user" TEXT NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  traffic_json TEXT DEFAULT '{}' NOT NULL,
  mirror_json TEXT DEFAULT '{}' NOT NULL,
  rollback_json TEXT,
  rollout_json TEXT,
  rolled_back_json TEXT,
  PRIMARY KEY (id),
  UNIQUE (name)
);

INSERT INTO endpoint (
  id, name, port, generation, primary_hash, secondary_hash, tags_json, "user", created, updated,
  traffic_json
)
SELECT
  id, name, port, generation + 1, primary_hash, secondary_hash, tags_json, "user", created, updated,
  '{"default": 100}'
FROM v11_endpoint;

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
  "user" TEXT NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  PRIMARY KEY (endpoint, name),
  FOREIGN KEY(endpoint) REFERENCES endpoint (id) ON DELETE CASCADE
);

INSERT INTO deployment (
  endpoint, name, model, version, scoring_script, python, state, reason, generation, restarts,
  variables_json, settings_json, engine, providers_json, served_json, "user", created, updated
)
SELECT
  id, 'default', model, version, scoring_script, python, 'Creating', '', generation + 1, restarts,
  variables_json, settings_json, engine, providers_json, served_json, "user", created, updated
FROM v11_endpoint;

DROP TABLE v11_endpoint;
