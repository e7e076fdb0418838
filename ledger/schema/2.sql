-- What is open, in the order of its turn: a batch reads its own rows and none of those that are settled.
DROP INDEX versions_due;
CREATE INDEX versions_open ON versions (source, first_seen, type, id) WHERE fate IN ('pending', 'held', 'unknown');
