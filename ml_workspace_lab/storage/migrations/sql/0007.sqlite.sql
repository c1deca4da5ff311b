-- From schema 6 to schema 7: compute instances.

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
  PRIMARY KEY (id),
  UNIQUE (name)
);

