-- From schema 13 to schema 14: which requests of deployments are kept, and where figures go.

ALTER TABLE deployment ADD COLUMN sampling_json TEXT;
ALTER TABLE endpoint ADD COLUMN export_json TEXT;

CREATE TABLE endpoint_export (
  id BIGSERIAL NOT NULL,
  export_json TEXT NOT NULL,
  PRIMARY KEY (id)
);
