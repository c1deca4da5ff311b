-- From schema 9 to schema 10: models as graphs, and the engines of endpoints.

CREATE TABLE model_compilation (
  model BIGINT NOT NULL,
  version INTEGER NOT NULL,
  content TEXT NOT NULL,
  onnx TEXT,
  verdict_json TEXT NOT NULL,
  "user" TEXT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (model, version),
  FOREIGN KEY(model) REFERENCES model (id) ON DELETE CASCADE
);

CREATE INDEX model_compilation_content ON model_compilation (content);

ALTER TABLE endpoint ADD COLUMN engine TEXT DEFAULT 'auto' NOT NULL;

ALTER TABLE endpoint ADD COLUMN providers_json TEXT DEFAULT '[]' NOT NULL;

ALTER TABLE endpoint ADD COLUMN served_json TEXT;
