-- Services, by name or id, and what people change about them.

-- name: find
-- In any case; who wrote it exactly comes first.
SELECT s.id, s.name
FROM services s
WHERE s.org_id = $1 AND s.deleted_at IS NULL AND (lower(s.name) = lower($2) OR s.id = $3)
ORDER BY s.name = $2 DESC, s.name

-- name: load_names
SELECT s.name FROM services s WHERE s.org_id = $1 AND s.deleted_at IS NULL ORDER BY s.name

-- name: add
INSERT INTO services (org_id, name, group_name, description, display_order, is_visible)
VALUES ($1, $2, $3, $4,
        coalesce($5, (SELECT coalesce(max(display_order), 0) + 10 FROM services
                      WHERE org_id = $1 AND deleted_at IS NULL)),
        $6)
RETURNING id

-- name: add_dependencies
INSERT INTO service_dependencies (org_id, service_id, depends_on_id)
SELECT $1, $2, d FROM unnest($3::uuid[]) d

-- name: edit
-- NULL leaves a column as it is; an empty text clears it.
UPDATE services SET
    name = coalesce($3, name),
    group_name = CASE WHEN $4::text IS NULL THEN group_name ELSE nullif($4, '') END,
    description = CASE WHEN $5::text IS NULL THEN description ELSE nullif($5, '') END,
    display_order = coalesce($6, display_order),
    is_visible = coalesce($7, is_visible)
WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL
RETURNING id

-- name: set_pinned
UPDATE services SET pinned_status = $3
WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL
RETURNING id

-- name: exists
SELECT EXISTS (SELECT FROM services WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL)

-- name: who_may
-- This person's role, and who has at least the one that is needed.
SELECT (SELECT role FROM members WHERE org_id = $1 AND role_name = session_user) AS role,
       ARRAY(SELECT role_name FROM members
             WHERE org_id = $1 AND role_rank(role) >= role_rank($2) ORDER BY role_name) AS people
