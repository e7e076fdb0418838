-- The ledger, version 1. Valid for SQLite and PostgreSQL; docs/ledger.md explains every table.
-- Times: UTC milliseconds, 0 = none. BYTEA columns are ciphertext, NULL = never had one or purged.

CREATE TABLE seal (
	nr      BIGINT PRIMARY KEY,
	created BIGINT NOT NULL,
	wrapped BYTEA  NOT NULL
);

CREATE TABLE writer (
	one    BIGINT PRIMARY KEY CHECK (one = 1),
	epoch  BIGINT NOT NULL,
	opened BIGINT NOT NULL
);
INSERT INTO writer (one, epoch, opened) VALUES (1, 0, 0);

CREATE TABLE counters (
	name  TEXT   PRIMARY KEY,
	value BIGINT NOT NULL CHECK (value >= 0)
);
INSERT INTO counters (name, value) VALUES
	('observed', 0), ('pending', 0), ('applied', 0), ('superseded', 0), ('held', 0), ('dead', 0), ('unknown', 0), ('unread', 0);

CREATE TABLE budgets (
	name     TEXT   NOT NULL,
	day      TEXT   NOT NULL,
	spent    BIGINT NOT NULL,
	row_hash TEXT   NOT NULL,
	PRIMARY KEY (name, day)
);

CREATE TABLE cursors (
	source   TEXT   NOT NULL,
	name     TEXT   NOT NULL,
	value    TEXT   NOT NULL,
	changed  BIGINT NOT NULL,
	row_hash TEXT   NOT NULL,
	PRIMARY KEY (source, name)
);

CREATE TABLE inbox (
	nr       BIGINT PRIMARY KEY,
	source   TEXT   NOT NULL,
	kind     TEXT   NOT NULL,
	received BIGINT NOT NULL,
	read_at  BIGINT NOT NULL,
	body     BYTEA,
	row_hash TEXT   NOT NULL
);
CREATE INDEX inbox_unread ON inbox (read_at, source);

CREATE TABLE refs (
	source        TEXT   NOT NULL,
	type          TEXT   NOT NULL,
	id            TEXT   NOT NULL,
	first_seen    BIGINT NOT NULL,
	last_seen     BIGINT NOT NULL,
	versions      BIGINT NOT NULL,
	newest        TEXT   NOT NULL,
	known_version TEXT   NOT NULL,
	digest        TEXT   NOT NULL,
	tables_hash   TEXT   NOT NULL,
	patient       TEXT   NOT NULL,
	terminal      BIGINT NOT NULL,
	row_hash      TEXT   NOT NULL,
	PRIMARY KEY (source, type, id)
);

CREATE TABLE versions (
	source       TEXT   NOT NULL,
	type         TEXT   NOT NULL,
	id           TEXT   NOT NULL,
	version      TEXT   NOT NULL, -- '' = a mark: to be read
	seq          BIGINT NOT NULL,
	first_seen   BIGINT NOT NULL,
	changed      BIGINT NOT NULL,
	fate         TEXT   NOT NULL,
	next_try     BIGINT NOT NULL,
	attempts     BIGINT NOT NULL,
	reason_code  TEXT   NOT NULL,
	reason_text  TEXT   NOT NULL,
	reason_rule  TEXT   NOT NULL,
	reason_field TEXT   NOT NULL,
	fingerprint  TEXT   NOT NULL,
	body         BYTEA,
	row_hash     TEXT   NOT NULL,
	PRIMARY KEY (source, type, id, version),
	FOREIGN KEY (source, type, id) REFERENCES refs (source, type, id)
);
CREATE INDEX versions_due ON versions (source, fate, next_try);
CREATE INDEX versions_changed ON versions (fate, changed);

CREATE TABLE images (
	object     TEXT   NOT NULL,
	record_key TEXT   NOT NULL,
	source     TEXT   NOT NULL,
	type       TEXT   NOT NULL,
	id         TEXT   NOT NULL,
	changed    BIGINT NOT NULL,
	body       BYTEA,
	row_hash   TEXT   NOT NULL,
	PRIMARY KEY (object, record_key),
	FOREIGN KEY (source, type, id) REFERENCES refs (source, type, id)
);

CREATE TABLE image_links (
	source     TEXT   NOT NULL,
	type       TEXT   NOT NULL,
	id         TEXT   NOT NULL,
	object     TEXT   NOT NULL,
	record_key TEXT   NOT NULL,
	nth        BIGINT NOT NULL,
	row_hash   TEXT   NOT NULL,
	PRIMARY KEY (source, type, id, object, record_key),
	FOREIGN KEY (source, type, id) REFERENCES refs (source, type, id),
	FOREIGN KEY (object, record_key) REFERENCES images (object, record_key)
);
CREATE INDEX image_links_record ON image_links (object, record_key);

CREATE TABLE intents (
	op          TEXT   PRIMARY KEY,
	source      TEXT   NOT NULL,
	type        TEXT   NOT NULL,
	id          TEXT   NOT NULL,
	version     TEXT   NOT NULL,
	object      TEXT   NOT NULL,
	record_key  TEXT   NOT NULL,
	digest      TEXT   NOT NULL,
	tables_hash TEXT   NOT NULL,
	deadline    BIGINT NOT NULL,
	created     BIGINT NOT NULL,
	closed      BIGINT NOT NULL,
	row_hash    TEXT   NOT NULL
);
CREATE INDEX intents_open ON intents (closed, created);
CREATE INDEX intents_record ON intents (object, record_key);

CREATE TABLE writebacks (
	nr           BIGINT PRIMARY KEY,
	source       TEXT   NOT NULL,
	type         TEXT   NOT NULL,
	id           TEXT   NOT NULL,
	version      TEXT   NOT NULL,
	object       TEXT   NOT NULL,
	record_key   TEXT   NOT NULL,
	field        TEXT   NOT NULL,
	to_mark      TEXT   NOT NULL,
	state        TEXT   NOT NULL,
	reason_code  TEXT   NOT NULL,
	reason_text  TEXT   NOT NULL,
	reason_rule  TEXT   NOT NULL,
	reason_field TEXT   NOT NULL,
	approved     TEXT   NOT NULL,
	created      BIGINT NOT NULL,
	changed      BIGINT NOT NULL,
	body         BYTEA,
	row_hash     TEXT   NOT NULL
);
CREATE INDEX writebacks_state ON writebacks (state, source);
CREATE INDEX writebacks_ref ON writebacks (source, type, id, field);

CREATE TABLE chain (
	seq        BIGINT PRIMARY KEY,
	happened   BIGINT NOT NULL,
	epoch      BIGINT NOT NULL,
	source     TEXT   NOT NULL,
	type       TEXT   NOT NULL,
	id         TEXT   NOT NULL,
	version    TEXT   NOT NULL,
	object     TEXT   NOT NULL,
	record_key TEXT   NOT NULL,
	digest     TEXT   NOT NULL,
	image      TEXT   NOT NULL,
	fate       TEXT   NOT NULL,
	code       TEXT   NOT NULL,
	hash       TEXT   NOT NULL
);
CREATE INDEX chain_ref ON chain (source, type, id, version, seq);
CREATE INDEX chain_record ON chain (object, record_key, seq);

CREATE TABLE chain_head (
	one  BIGINT PRIMARY KEY CHECK (one = 1),
	seq  BIGINT NOT NULL,
	hash TEXT   NOT NULL
);
INSERT INTO chain_head (one, seq, hash) VALUES (1, 0, '');
