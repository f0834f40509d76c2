-- Who looks: engines and their heartbeats, the shares of a region, and the keeper's lease.

-- name: take_lease
SELECT lease_take($1, $2, $3, $4::jsonb) AS epoch

-- name: release_lease
SELECT lease_release($1, $2, $3)

-- name: region
-- A region that is named for the first time gets its key.
WITH made AS (
    INSERT INTO regions (name) SELECT $1 WHERE NOT EXISTS (SELECT FROM regions WHERE name = $1)
    ON CONFLICT DO NOTHING RETURNING key)
SELECT key FROM made UNION ALL SELECT key FROM regions WHERE name = $1 LIMIT 1

-- name: register_engine
INSERT INTO engines (id, region, host, process_id, version, info)
VALUES ($1, $2, $3, $4, $5, '{}')
ON CONFLICT (id) DO UPDATE SET heartbeat_at = clock_timestamp(), stopped_at = NULL

-- name: beat
-- Says that the engine lives, and asks what became of its region meanwhile.
WITH beaten AS (
    UPDATE engines SET heartbeat_at = clock_timestamp(), behind_seconds = $3, info = $4::jsonb
    WHERE id = $1 RETURNING id)
SELECT clock_timestamp() AS database_time, s.generation, EXISTS (SELECT FROM beaten) AS is_known,
       EXISTS (SELECT FROM unnest(s.members) AS g (member)
               LEFT JOIN engines e ON e.id = g.member
               WHERE g.member <> $1
                 AND (e.id IS NULL OR e.stopped_at IS NOT NULL
                      OR e.heartbeat_at <= clock_timestamp() - make_interval(secs => $5)))
           AS has_dead
FROM shares s WHERE s.region = $2

-- name: join
SELECT share_join($1, $2, $3) AS generation

-- name: evict
SELECT share_evict($1, $2) AS generation

-- name: leave
SELECT share_leave($1, $2) AS generation

-- name: generations
SELECT generation, members FROM share_generations WHERE region = $1 AND generation > $2
ORDER BY generation

-- name: hold
-- First statement of every deciding transaction: short waits only, and is the share still ours?
SELECT set_config('lock_timeout', $4, true),
       set_config('idle_in_transaction_session_timeout', $5, true),
       share_hold($1, $2, $3) AS held

-- name: hold_lease
-- The same for what one engine does for all of them.
SELECT set_config('lock_timeout', $4, true),
       set_config('idle_in_transaction_session_timeout', $5, true),
       lease_hold($1, $2, $3) AS held

-- name: stand_aside
SELECT set_config('lock_timeout', $1, true),
       set_config('idle_in_transaction_session_timeout', $2, true),
       share_stand_aside()

-- name: offline
UPDATE engines SET offline_since = $2 WHERE id = $1

-- name: tell_outage
-- Once per outage and organization, however often it is tried.
SELECT count(queue_event(o.org_id, $1, $1 || ':' || $2, $3::jsonb)) FROM organizations o
