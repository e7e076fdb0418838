-- The values that a write meant, while nobody has seen what became of it.
ALTER TABLE intents ADD COLUMN body BYTEA;
