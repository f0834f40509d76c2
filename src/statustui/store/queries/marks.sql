-- Something that changed.

-- name: add
INSERT INTO marks (org_id, at, text, source, link)
VALUES ($1, coalesce($2, now()), $3, $4, $5)
RETURNING id

-- name: add_services
INSERT INTO mark_services (org_id, mark_id, service_id)
SELECT $1, $2, s FROM unnest($3::uuid[]) s

-- name: load
-- $3 is one mark's id, or NULL for all.
SELECT k.id, k.at, k.text, coalesce(k.source, '') AS source, k.link, k.author,
       ARRAY(SELECT s.name FROM mark_services ks JOIN services s ON s.id = ks.service_id
             WHERE ks.mark_id = k.id ORDER BY s.display_order, s.name) AS services
FROM marks k
WHERE k.org_id = $1 AND ($2::timestamptz IS NULL OR k.at >= $2) AND ($3::uuid IS NULL OR k.id = $3)
ORDER BY k.at DESC
LIMIT 1000
