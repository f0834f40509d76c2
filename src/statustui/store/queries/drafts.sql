-- What somebody is still writing; policies show everybody their own alone.

-- name: save
INSERT INTO drafts (org_id, subject, kind, incident_id, base_version, body)
VALUES ($1, coalesce($2::uuid::text, 'new'), $3, $2, $4, $5::text::jsonb)
ON CONFLICT (org_id, role_name, subject, kind) DO UPDATE
SET base_version = EXCLUDED.base_version, body = EXCLUDED.body, updated_at = now()

-- name: load
SELECT i.code, d.base_version, d.body, d.updated_at, d.kind
FROM drafts d
LEFT JOIN incidents i ON i.id = d.incident_id
WHERE d.org_id = $1 AND d.role_name = session_user
ORDER BY d.updated_at DESC

-- name: delete
DELETE FROM drafts
WHERE org_id = $1 AND role_name = session_user AND kind = $3
  AND subject = coalesce($2::uuid::text, 'new')
