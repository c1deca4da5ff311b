-- From schema 3 to schema 4: contents may lie in packs.

CREATE TABLE pack (
  id INTEGER NOT NULL,
  name TEXT NOT NULL,
  size INTEGER NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (name)
);

CREATE TABLE packed (
  digest TEXT NOT NULL,
  pack INTEGER NOT NULL,
  start INTEGER NOT NULL,
  size INTEGER NOT NULL,
  renewed INTEGER NOT NULL,
  PRIMARY KEY (digest),
  FOREIGN KEY(pack) REFERENCES pack (id)
);

CREATE INDEX packed_pack ON packed (pack);

CREATE INDEX run_snapshot ON run (snapshot);
