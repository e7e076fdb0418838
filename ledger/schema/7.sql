-- What a worklist of the source said of a record last, so that what no read gives is known, and a change of it is noticed.
CREATE TABLE worklists (
	source   TEXT NOT NULL,
	type     TEXT NOT NULL,
	id       TEXT NOT NULL,
	list     TEXT NOT NULL,   -- the worklist: the kind of its answers
	nth      BIGINT NOT NULL, -- which change this is of all that worklists said of the record; grows by one with each
	print    TEXT NOT NULL,   -- keyed fingerprint of the entry; empty: not on this worklist any more
	seen     BIGINT NOT NULL, -- when the worklist had it last
	body     BYTEA,           -- the entry, encrypted
	row_hash TEXT NOT NULL,
	PRIMARY KEY (source, type, id, list)
);
CREATE INDEX worklists_list ON worklists (source, list);
