-- From schema 5 to schema 6: environments, and what runs ran in.

CREATE TABLE environment (
  id INTEGER NOT NULL,
  name TEXT NOT NULL,
  versions INTEGER DEFAULT '0' NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (name)
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

