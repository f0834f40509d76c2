-- What was seen in detail.

-- name: load_first
-- The first failure of an incident: the oldest evidence of one of its services since it began,
-- that of the service that explains the others before all.
SELECT m.id AS monitor_id, m.name AS monitor_name, s.name AS service_name, r.name AS region,
       e.checked_at, e.data, e.body, x.last_good, x.last_good_at
FROM incident_services i
JOIN services s ON s.id = i.service_id
JOIN monitors m ON m.service_id = i.service_id
JOIN evidence e ON e.monitor = m.key AND NOT e.is_good
JOIN regions r ON r.key = e.region
LEFT JOIN monitor_state x ON x.monitor = e.monitor AND x.region = e.region
WHERE i.org_id = $1 AND i.incident_id = $2
  AND e.checked_at >= $3 AND ($4::timestamptz IS NULL OR e.checked_at <= $4)
ORDER BY coalesce(i.service_id = $5, false) DESC, e.checked_at, e.region
LIMIT 1
