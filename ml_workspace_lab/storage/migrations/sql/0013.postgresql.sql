-- From schema 12 to schema 13: what was measured of versions of models.

CREATE TABLE model_profile (
  model BIGINT NOT NULL,
  version INTEGER NOT NULL,
  content TEXT NOT NULL,
  measured_json TEXT NOT NULL,
  "user" TEXT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (model, version),
  FOREIGN KEY(model) REFERENCES model (id) ON DELETE CASCADE
);
