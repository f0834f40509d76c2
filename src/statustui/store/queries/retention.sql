-- What has become too old: seen and done by the watch's role only.

-- name: load_old_months
SELECT old_check_months($1) AS month

-- name: load_partitions
-- Months of raw checks that would go.
SELECT month, rows, bytes FROM prunable_partitions($1)

-- name: load_rest
SELECT prunable_hours($2) AS hours, prunable_evidence($1) AS evidence,
       checks_kept_since($1) AS checks_since, hours_kept_since($2) AS hours_since

-- name: drop_partition
SELECT drop_check_partition($1)

-- name: prune_hours
SELECT prune_hours($1, $2)

-- name: prune_evidence
SELECT prune_evidence($1, $2)
