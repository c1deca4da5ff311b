-- Attempts at runs are records, and a token may be for one of them.

ALTER TABLE token ADD COLUMN attempt INTEGER;

ALTER TABLE compute_target ADD COLUMN workspace_url TEXT;

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
