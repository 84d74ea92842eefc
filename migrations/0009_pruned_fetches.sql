-- Pruning takes fetches out of the log, and changed what runs of long ago are said to have done. What a run loses by it
-- is added up here, a row a run, so that the view `runs` tells what it always told.

CREATE TABLE pruned_fetches (
    run_id         INTEGER PRIMARY KEY REFERENCES run_log ON DELETE CASCADE,
    fetched        INTEGER NOT NULL,
    failed         INTEGER NOT NULL,
    requests       INTEGER NOT NULL,
    rows_inserted  INTEGER NOT NULL,
    rows_updated   INTEGER NOT NULL,
    rows_unchanged INTEGER NOT NULL,
    rows_withdrawn INTEGER NOT NULL,
    rows_rejected  INTEGER NOT NULL,
    rows_duplicate INTEGER NOT NULL
) STRICT;

DROP VIEW runs;

CREATE VIEW runs AS
SELECT r.run_id,
       r.trigger,
       strftime('%Y-%m-%dT%H:%M:%fZ', r.slot_at / 1000.0, 'unixepoch') AS slot,
       strftime('%Y-%m-%dT%H:%M:%fZ', r.started_at / 1000.0, 'unixepoch') AS started_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', r.finished_at / 1000.0, 'unixepoch') AS finished_at,
       (r.finished_at - r.started_at + 500) / 1000 AS seconds,
       r.outcome,
       r.instances_found,
       r.instances_due,
       (SELECT count(DISTINCT f.instance_id) FROM fetch_log f WHERE f.run_id = r.run_id AND f.outcome <> 'failed')
           + coalesce(p.fetched, 0) AS instances_fetched,
       -- An instance that Zoom has no data of, or not yet, is no failure.
       (SELECT count(DISTINCT f.instance_id) FROM fetch_log f
         WHERE f.run_id = r.run_id AND f.outcome = 'failed' AND coalesce(f.error_code, 0) NOT IN (404, 3001))
           + coalesce(p.failed, 0) AS instances_failed,
       -- A run that was cut short has not written its own count; its fetches tell the least that it was.
       max(r.requests, (SELECT coalesce(sum(f.requests), 0) FROM fetch_log f WHERE f.run_id = r.run_id) + coalesce(p.requests, 0)) AS requests,
       r.retries,
       r.throttled,
       (SELECT coalesce(sum(f.rows_inserted), 0) FROM fetch_log f WHERE f.run_id = r.run_id) + coalesce(p.rows_inserted, 0) AS rows_inserted,
       (SELECT coalesce(sum(f.rows_updated), 0) FROM fetch_log f WHERE f.run_id = r.run_id) + coalesce(p.rows_updated, 0) AS rows_updated,
       (SELECT coalesce(sum(f.rows_unchanged), 0) FROM fetch_log f WHERE f.run_id = r.run_id) + coalesce(p.rows_unchanged, 0) AS rows_unchanged,
       (SELECT coalesce(sum(f.rows_withdrawn), 0) FROM fetch_log f WHERE f.run_id = r.run_id) + coalesce(p.rows_withdrawn, 0) AS rows_withdrawn,
       (SELECT coalesce(sum(f.rows_rejected), 0) FROM fetch_log f WHERE f.run_id = r.run_id) + coalesce(p.rows_rejected, 0) AS rows_rejected,
       (SELECT coalesce(sum(f.rows_duplicate), 0) FROM fetch_log f WHERE f.run_id = r.run_id) + coalesce(p.rows_duplicate, 0) AS rows_duplicate,
       r.error
  FROM run_log r
  LEFT JOIN pruned_fetches p ON p.run_id = r.run_id;
