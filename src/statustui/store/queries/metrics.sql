-- What the metrics page says about the whole installation; read in the background, never by a scrape.

-- name: names
SELECT m.key, o.slug, s.name AS service, m.name AS monitor
FROM monitors m
JOIN services s ON s.id = m.service_id
JOIN organizations o ON o.org_id = m.org_id
WHERE m.deleted_at IS NULL AND s.deleted_at IS NULL AND $1 = ANY (m.regions)

-- name: engines
SELECT r.name AS region,
       CASE WHEN e.heartbeat_at < clock_timestamp() - interval '6 seconds' THEN 'silent'
            WHEN e.offline_since IS NOT NULL THEN 'offline'
            ELSE 'alive' END AS state,
       count(*) AS number
FROM engines e JOIN regions r ON r.key = e.region
WHERE e.stopped_at IS NULL
GROUP BY 1, 2

-- name: monitors
SELECT CASE WHEN NOT m.is_active OR coalesce(m.paused_until > clock_timestamp(), false)
            THEN 'paused' ELSE coalesce(x.state, 'unknown') END AS state,
       count(*) AS number
FROM monitors m
JOIN services s ON s.id = m.service_id AND s.deleted_at IS NULL
LEFT JOIN monitor_status x ON x.monitor = m.key
WHERE m.deleted_at IS NULL
GROUP BY 1

-- name: incidents
SELECT impact, count(*) AS number
FROM incidents
WHERE status <> 'resolved' AND deleted_at IS NULL
GROUP BY 1

-- name: notifications
-- An attempt that did not get through counts as failed, whatever became of the delivery.
SELECT c.name AS channel,
       count(o.delivered_at) AS delivered,
       coalesce(sum(o.attempts), 0) - count(o.delivered_at) AS failed,
       count(o.dead_at) AS given_up
FROM channels c LEFT JOIN outbox o ON o.channel_id = c.id
GROUP BY 1
