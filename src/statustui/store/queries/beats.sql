-- What jobs say about themselves.

-- name: find
-- The heartbeat monitors that a name may mean, in the organizations of this person.
SELECT o.slug, s.name AS service_name, m.name, m.id, m.type
FROM monitors m
JOIN services s ON s.id = m.service_id AND s.deleted_at IS NULL
JOIN organizations o ON o.org_id = m.org_id
JOIN members p ON p.org_id = m.org_id AND p.role_name = session_user
WHERE m.deleted_at IS NULL AND ($2::text IS NULL OR o.slug = $2)
  AND ($1 IN (m.id::text, s.name || '/' || m.name)
       OR lower($1) IN (lower(m.name), lower(s.name || '/' || m.name)))
ORDER BY o.slug, s.name, m.name

-- name: names
SELECT s.name || '/' || m.name AS address
FROM monitors m
JOIN services s ON s.id = m.service_id AND s.deleted_at IS NULL
JOIN organizations o ON o.org_id = m.org_id
JOIN members p ON p.org_id = m.org_id AND p.role_name = session_user
WHERE m.deleted_at IS NULL AND m.type = 'heartbeat' AND ($1::text IS NULL OR o.slug = $1)
ORDER BY 1

-- name: beat
SELECT beat($1, $2, $3)

-- name: load
SELECT clock_timestamp() AS now, b.expected_from, b.last_at, b.is_ok, b.message
FROM beats b JOIN monitors m ON m.key = b.monitor
WHERE m.id = $1
