-- From schema 7 to schema 8: variables and limits of endpoints.

ALTER TABLE endpoint ADD COLUMN variables_json TEXT DEFAULT '{}' NOT NULL;

ALTER TABLE endpoint ADD COLUMN settings_json TEXT DEFAULT '{}' NOT NULL;
