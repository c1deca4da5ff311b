-- From schema 8 to schema 9: decisions to trust models that execute code.

CREATE TABLE model_trust (
  model INTEGER NOT NULL,
  version INTEGER NOT NULL,
  digest TEXT NOT NULL,
  "user" TEXT NOT NULL,
  note TEXT DEFAULT '' NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (model, version),
  FOREIGN KEY(model) REFERENCES model (id) ON DELETE CASCADE
);
