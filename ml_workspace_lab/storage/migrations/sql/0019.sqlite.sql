-- From schema 18 to schema 19: issues that were found in traces.

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

CREATE INDEX assessment_name ON assessment (kind, name, trace);
