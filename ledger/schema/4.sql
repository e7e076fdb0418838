-- When the source says that it changed a version: the order of versions that are no numbers.
ALTER TABLE versions ADD COLUMN updated BIGINT NOT NULL DEFAULT 0;
ALTER TABLE versions ADD COLUMN beside BIGINT NOT NULL DEFAULT 0;
