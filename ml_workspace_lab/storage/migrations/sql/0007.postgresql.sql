-- From schema 6 to schema 7: compute instances.

CREATE TABLE compute_instance (
  id BIGSERIAL NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NOT NULL,
  launch BIGINT NOT NULL,
  operation_json TEXT NOT NULL,
  owner TEXT NOT NULL,
  assigned_user TEXT,
  environment TEXT,
  idle_seconds DOUBLE PRECISION,
  schedules_json TEXT NOT NULL,
  since BIGINT NOT NULL,
  scripts_json TEXT NOT NULL,
  variables_json TEXT NOT NULL,
  restarts BIGINT DEFAULT '0' NOT NULL,
  description TEXT NOT NULL,
  tags_json TEXT NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (name)
);

