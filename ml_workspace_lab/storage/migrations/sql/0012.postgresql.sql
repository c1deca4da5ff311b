-- From schema 11 to schema 12: endpoints with several deployments. What an endpoint had becomes its
-- deployment `default`, which gets all requests; its generation is a new one, so that a process that
-- knows of no others is replaced by one that does, without a pause.

CREATE TABLE deployment (
  endpoint BIGINT NOT NULL,
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
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
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
FROM endpoint;

ALTER TABLE endpoint
  DROP COLUMN model,
  DROP COLUMN version,
  DROP COLUMN scoring_script,
  DROP COLUMN python,
  DROP COLUMN state,
  DROP COLUMN reason,
  DROP COLUMN restarts,
  DROP COLUMN native_id,
  DROP COLUMN variables_json,
  DROP COLUMN settings_json,
  DROP COLUMN engine,
  DROP COLUMN providers_json,
  DROP COLUMN served_json;

ALTER TABLE endpoint
  ADD COLUMN traffic_json TEXT DEFAULT '{}' NOT NULL,
  ADD COLUMN mirror_json TEXT DEFAULT '{}' NOT NULL,
  ADD COLUMN rollback_json TEXT,
  ADD COLUMN rollout_json TEXT,
  ADD COLUMN rolled_back_json TEXT;

UPDATE endpoint SET generation = generation + 1, traffic_json = '{"default": 100}';
