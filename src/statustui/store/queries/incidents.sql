-- Incidents as they stand, in lists and whole. First which ones, then what they are.

-- name: find_open_and_recent
-- What the first screen needs: open ones, and those resolved within the last day.
SELECT i.id
FROM incidents i
WHERE i.org_id = $1 AND i.deleted_at IS NULL
  AND (i.status <> 'resolved' OR i.resolved_at > now() - interval '24 hours')
ORDER BY i.status = 'resolved', i.started_at DESC, i.code

-- name: find_incidents
-- $2 status, $3 impact, $4 service, $5 open ones only, $6 started before, $7 how many.
SELECT i.id
FROM incidents i
WHERE i.org_id = $1 AND i.deleted_at IS NULL
  AND ($2::text IS NULL OR i.status = $2)
  AND ($3::text IS NULL OR i.impact = $3)
  AND ($4::uuid IS NULL OR EXISTS (SELECT FROM incident_services x
                                   WHERE x.incident_id = i.id AND x.service_id = $4))
  AND (NOT $5::boolean OR i.status <> 'resolved')
  AND ($6::timestamptz IS NULL OR i.started_at < $6)
ORDER BY i.started_at DESC, i.code
LIMIT $7

-- name: find_by_code
SELECT i.id FROM incidents i WHERE i.org_id = $1 AND i.code = $2 AND i.deleted_at IS NULL

-- name: load_summaries
SELECT i.id, i.code, i.title, coalesce(i.internal_title, '') AS internal_title, i.status, i.impact,
       i.is_auto, i.is_public, i.is_retroactive, i.version, i.started_at, i.identified_at,
       i.monitoring_at, i.resolved_at, i.created_at, i.updated_at, i.created_by, i.lead,
       i.acknowledged_by, i.acknowledged_at, i.acknowledged_until,
       CASE WHEN i.snoozed_until > now() THEN i.snoozed_until END AS snoozed_until,
       i.next_update_by, i.cause_service_id, i.draft, i.draft_due_at, i.held_by,
       told.created_at AS told_at, told.author AS told_by,
       p.id AS pending_id, p.author AS pending_author, p.status AS pending_status,
       p.message AS pending_message, p.public_at, p.notify_at, p.created_at AS pending_created_at
FROM incidents i
LEFT JOIN pending_posts p ON p.incident_id = i.id AND p.is_public AND p.applied_at IS NULL
    AND p.taken_back_at IS NULL AND p.refused_at IS NULL
LEFT JOIN LATERAL (
    SELECT u.created_at, u.author FROM incident_updates u
    WHERE u.incident_id = i.id AND u.is_public
    ORDER BY u.created_at DESC, u.id DESC LIMIT 1
) told ON true
WHERE i.org_id = $1 AND i.id = ANY ($2::uuid[]) AND i.deleted_at IS NULL
ORDER BY array_position($2::uuid[], i.id)

-- name: load_postmortem
SELECT i.postmortem FROM incidents i WHERE i.org_id = $1 AND i.id = $2

-- name: load_affected
SELECT x.incident_id, x.service_id, s.name, s.is_visible AND s.deleted_at IS NULL AS is_visible,
       x.from_status, x.to_status, st.current_status
FROM incident_services x
JOIN services s ON s.id = x.service_id
JOIN service_state st ON st.service_id = x.service_id
WHERE x.org_id = $1 AND x.incident_id = ANY ($2::uuid[])
ORDER BY x.incident_id, s.display_order, s.name

-- name: load_updates
-- Everything that people and the engine wrote, corrected texts in place of what they correct.
SELECT u.id, u.kind, u.status, coalesce(n.message, u.message) AS message, u.is_public, u.author,
       u.created_at, n.created_at AS edited_at,
       coalesce(n.next_update_by, u.next_update_by) AS next_update_by,
       CASE WHEN n.id IS NULL THEN u.still_works ELSE n.still_works END AS still_works
FROM incident_updates u
LEFT JOIN LATERAL (
    SELECT e.* FROM incident_updates e WHERE e.supersedes_id = u.id
    ORDER BY e.created_at DESC LIMIT 1) n ON true
WHERE u.org_id = $1 AND u.incident_id = $2 AND u.supersedes_id IS NULL
ORDER BY u.created_at, u.id

-- name: load_held
-- The reader's own newest post, when it was held; a post that follows it has taken its place.
SELECT p.status, p.message, p.refused_at, p.refusal, moved.status AS moved_to,
       moved.created_at AS moved_at
FROM (SELECT * FROM pending_posts own
      WHERE own.org_id = $1 AND own.incident_id = $2 AND own.author = session_user
        AND own.is_public
      ORDER BY own.created_at DESC, own.id DESC LIMIT 1) p
LEFT JOIN LATERAL (
    SELECT u.status, u.created_at FROM incident_updates u
    WHERE u.incident_id = p.incident_id AND u.kind = 'update' AND u.supersedes_id IS NULL
      AND u.created_at > p.created_at AND u.created_at <= p.refused_at
    ORDER BY u.created_at DESC, u.id DESC LIMIT 1
) moved ON true
WHERE p.refused_at > now() - interval '1 day'

-- name: recent_codes
SELECT i.code FROM incidents i
WHERE i.org_id = $1 AND i.deleted_at IS NULL
ORDER BY i.started_at DESC
LIMIT 200
