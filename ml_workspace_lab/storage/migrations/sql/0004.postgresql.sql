-- From schema 3 to schema 4: contents may lie in packs.

CREATE TABLE pack (
  id BIGSERIAL NOT NULL,
  name TEXT NOT NULL,
  size BIGINT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (name)
);

CREATE TABLE packed (
  digest TEXT NOT NULL,
  pack BIGINT NOT NULL,
  start BIGINT NOT NULL,
  size BIGINT NOT NULL,
  renewed BIGINT NOT NULL,
  PRIMARY KEY (digest),
  FOREIGN KEY(pack) REFERENCES pack (id)
);

CREATE INDEX packed_pack ON packed (pack);

CREATE INDEX run_snapshot ON run (snapshot);
