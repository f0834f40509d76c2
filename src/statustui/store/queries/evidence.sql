-- What was seen in detail.

-- name: load_first
-- The first failure of an incident: the oldest evidence of one of its services since it began,
-- that of the service that explains the others before all.
WITH found AS (
    SELECT m.id AS monitor_id, m.name AS monitor_name, s.id AS service_id, s.name AS service_name,
           e.monitor, e.region, e.checked_at, e.data, e.body
    FROM incident_services i
    JOIN services s ON s.id = i.service_id
    JOIN monitors m ON m.service_id = i.service_id
    JOIN evidence e ON e.monitor = m.key AND NOT e.is_good
    WHERE i.org_id = $1 AND i.incident_id = $2
      AND e.checked_at >= $3 AND ($4::timestamptz IS NULL OR e.checked_at <= $4)
    ORDER BY coalesce(i.service_id = $5, false) DESC, e.checked_at, e.region
    LIMIT 1
)
SELECT f.*, r.name AS region_name, x.last_good, g.data AS good
FROM found f
JOIN regions r ON r.key = f.region
LEFT JOIN monitor_state x ON x.monitor = f.monitor AND x.region = f.region
LEFT JOIN LATERAL (
    SELECT b.data FROM evidence b
    WHERE b.monitor = f.monitor AND b.region = f.region AND b.checked_at < f.checked_at AND b.is_good
    ORDER BY b.checked_at DESC LIMIT 1
) g ON true

-- name: load_newest
-- The newest evidence of each monitor and region of a service, or of one monitor.
WITH found AS (
    SELECT DISTINCT ON (e.monitor, e.region) m.id AS monitor_id, m.name AS monitor_name,
           s.id AS service_id, s.name AS service_name, e.monitor, e.region, e.checked_at, e.data,
           e.body
    FROM monitors m
    JOIN services s ON s.id = m.service_id
    JOIN evidence e ON e.monitor = m.key AND NOT e.is_good
    WHERE m.org_id = $1 AND m.deleted_at IS NULL AND (m.service_id = $2 OR m.id = $3)
    ORDER BY e.monitor, e.region, e.checked_at DESC
)
SELECT f.*, r.name AS region_name, x.last_good, g.data AS good
FROM found f
JOIN regions r ON r.key = f.region
LEFT JOIN monitor_state x ON x.monitor = f.monitor AND x.region = f.region
LEFT JOIN LATERAL (
    SELECT b.data FROM evidence b
    WHERE b.monitor = f.monitor AND b.region = f.region AND b.checked_at < f.checked_at AND b.is_good
    ORDER BY b.checked_at DESC LIMIT 1
) g ON true

-- name: load_marks
-- What was noted around the moments in $3, each with the service of the same place in $2.
SELECT w.place, k.id, k.at, k.text, coalesce(k.source, '') AS source, k.link, k.author,
       ARRAY(SELECT s.name FROM mark_services ks JOIN services s ON s.id = ks.service_id
             WHERE ks.mark_id = k.id ORDER BY s.display_order, s.name) AS services
FROM unnest($2::uuid[], $3::timestamptz[]) WITH ORDINALITY AS w (service_id, at, place)
CROSS JOIN LATERAL (
    SELECT * FROM marks m
    WHERE m.org_id = $1 AND m.at BETWEEN w.at - $4::interval AND w.at + $5::interval
      AND (NOT EXISTS (SELECT FROM mark_services x WHERE x.mark_id = m.id)
           OR EXISTS (SELECT FROM mark_services x
                      WHERE x.mark_id = m.id AND x.service_id = w.service_id))
    ORDER BY m.at DESC
    LIMIT $6
) k
ORDER BY w.place, k.at DESC
