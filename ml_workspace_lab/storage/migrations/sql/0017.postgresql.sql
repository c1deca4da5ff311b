-- From schema 16 to schema 17: compute instances that are jobs of a compute target.

ALTER TABLE compute_instance ADD COLUMN compute_target TEXT DEFAULT 'local' NOT NULL;

ALTER TABLE compute_instance ADD COLUMN resources_json TEXT;
