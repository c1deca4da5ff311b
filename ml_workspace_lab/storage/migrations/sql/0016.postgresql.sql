-- From schema 15 to schema 16: deployments on attached compute targets.

ALTER TABLE deployment ADD COLUMN compute_target TEXT DEFAULT 'local' NOT NULL;

ALTER TABLE deployment ADD COLUMN environment TEXT;

ALTER TABLE deployment ADD COLUMN resources_json TEXT;
