-- From schema 17 to schema 18: evaluation datasets and scorers.

CREATE TABLE evaluation_dataset (
  id BIGSERIAL NOT NULL,
  uid TEXT NOT NULL,
  name TEXT NOT NULL,
  tags_json TEXT DEFAULT '{}' NOT NULL,
  fields_json TEXT,
  digest TEXT NOT NULL,
  records BIGINT DEFAULT '0' NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  created_by TEXT,
  updated_by TEXT,
  PRIMARY KEY (id),
  UNIQUE (uid)
);

CREATE INDEX evaluation_dataset_newest ON evaluation_dataset (created, id);

CREATE TABLE evaluation_dataset_experiment (
  evaluation_dataset BIGINT NOT NULL,
  experiment BIGINT NOT NULL,
  PRIMARY KEY (evaluation_dataset, experiment),
  FOREIGN KEY(evaluation_dataset) REFERENCES evaluation_dataset (id) ON DELETE CASCADE,
  FOREIGN KEY(experiment) REFERENCES experiment (id) ON DELETE CASCADE
);

CREATE INDEX evaluation_dataset_of_experiment ON evaluation_dataset_experiment (experiment, evaluation_dataset);

CREATE TABLE evaluation_record (
  id BIGSERIAL NOT NULL,
  uid TEXT NOT NULL,
  evaluation_dataset BIGINT NOT NULL,
  hash TEXT NOT NULL,
  inputs_json TEXT NOT NULL,
  outputs_json TEXT NOT NULL,
  expectations_json TEXT NOT NULL,
  tags_json TEXT NOT NULL,
  source_json TEXT NOT NULL,
  size BIGINT NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  created_by TEXT,
  updated_by TEXT,
  PRIMARY KEY (id),
  UNIQUE (uid),
  FOREIGN KEY(evaluation_dataset) REFERENCES evaluation_dataset (id) ON DELETE CASCADE
);

CREATE UNIQUE INDEX evaluation_record_hash ON evaluation_record (evaluation_dataset, hash);

CREATE INDEX evaluation_record_oldest ON evaluation_record (evaluation_dataset, id);

CREATE TABLE scorer (
  id BIGSERIAL NOT NULL,
  uid TEXT NOT NULL,
  experiment BIGINT NOT NULL,
  name TEXT NOT NULL,
  sampling TEXT,
  share DOUBLE PRECISION,
  filter TEXT,
  PRIMARY KEY (id),
  UNIQUE (uid),
  FOREIGN KEY(experiment) REFERENCES experiment (id) ON DELETE CASCADE,
  UNIQUE (sampling)
);

CREATE UNIQUE INDEX scorer_name ON scorer (experiment, name);

CREATE TABLE scorer_version (
  scorer BIGINT NOT NULL,
  version INTEGER NOT NULL,
  content TEXT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (scorer, version),
  FOREIGN KEY(scorer) REFERENCES scorer (id) ON DELETE CASCADE
);
