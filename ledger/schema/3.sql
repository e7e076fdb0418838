-- The values behind a reason, for the operator's own terminal: of a field that changed on both sides, what each says.
CREATE TABLE details (
	source   TEXT   NOT NULL,
	type     TEXT   NOT NULL,
	id       TEXT   NOT NULL,
	version  TEXT   NOT NULL,
	changed  BIGINT NOT NULL, -- that of the version when it was given its reason
	body     BYTEA,
	row_hash TEXT   NOT NULL,
	PRIMARY KEY (source, type, id, version)
);
