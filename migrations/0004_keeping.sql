-- What is left of what was pruned or forgotten.

-- Counters that monitoring reads must never fall: what the log loses by pruning is counted on here.
CREATE TABLE pruned_counts (
    name  TEXT NOT NULL,                                     -- of the counter
    label TEXT NOT NULL,                                     -- which of its kinds
    value INTEGER NOT NULL,
    PRIMARY KEY (name, label)
) STRICT, WITHOUT ROWID;

-- Answers of Zoom by rate-limit label and HTTP status ('none' where no answer came), counted on for ever.
CREATE TABLE answer_counts (
    label  TEXT NOT NULL,
    status TEXT NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (label, status)
) STRICT, WITHOUT ROWID;

-- Digests of what identified forgotten people, keyed with the setting `forgotten_key`, so that a later reading
-- does not bring them back. `subject` is a random number, the same for all that identified one of them.
CREATE TABLE forgotten (
    digest       BLOB PRIMARY KEY,
    subject      INTEGER NOT NULL,
    forgotten_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
