-- Whose records a source has: so that a change of the patient alone finds the referrals that it concerns.
CREATE TABLE patients (
	source   TEXT NOT NULL,
	type     TEXT NOT NULL,
	id       TEXT NOT NULL,
	token    TEXT NOT NULL, -- keyed fingerprint of the Patient's reference
	seen     TEXT NOT NULL, -- version of the Patient that was seen beside the record last
	row_hash TEXT NOT NULL,
	PRIMARY KEY (source, type, id)
);
CREATE INDEX patients_token ON patients (source, token);
