-- From schema 2 to schema 3: compute targets are records, and the queue knows whose turn it is.

CREATE TEMP TABLE v2_job AS SELECT * FROM job;

DROP TABLE job;

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
  PRIMARY KEY (id),
  UNIQUE (name)
);

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

INSERT INTO job (
  run, spec_json, target, owner, stage, attempt, native_id, enqueued, cancel_requested
)
SELECT
  j.run, j.spec_json, coalesce(json_extract(j.spec_json, '$.compute_target'), 'local'), r."user",
  CASE WHEN r.ended IS NOT NULL THEN 'over' WHEN j.attempt > 0 THEN 'begun' ELSE 'waiting' END,
  j.attempt, j.native_id, j.enqueued, j.cancel_requested
FROM v2_job j JOIN run r ON r.id = j.run;

DROP TABLE v2_job;

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
