-- From schema 14 to schema 15: deployments with several workers.

ALTER TABLE deployment ADD COLUMN scaling_json TEXT DEFAULT '{}' NOT NULL;

ALTER TABLE deployment ADD COLUMN workers INTEGER DEFAULT '0' NOT NULL;
