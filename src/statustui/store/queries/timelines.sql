-- What happened, in order: of an incident, of a service.

-- name: incident
-- $2 incident, $3 from, $4 until (NULL: now).
WITH concerned AS (
    SELECT s.id, s.name, s.is_visible
    FROM incident_services x JOIN services s ON s.id = x.service_id
    WHERE x.org_id = $1 AND x.incident_id = $2
)
SELECT t.at, t.kind, t.text, t.who, t.is_public, t.service_name, t.status
FROM (
    SELECT u.created_at AS at, u.kind, u.message AS text, u.author AS who, u.is_public,
           '' AS service_name, u.status
    FROM incident_updates u
    WHERE u.org_id = $1 AND u.incident_id = $2 AND u.supersedes_id IS NULL
    UNION ALL
    SELECT u.created_at, 'edited', 'corrected an update', u.author, u.is_public, '', ''
    FROM incident_updates u
    WHERE u.org_id = $1 AND u.incident_id = $2 AND u.supersedes_id IS NOT NULL
    UNION ALL
    SELECT c.effective_at,
           CASE WHEN c.to_state = 'down' THEN 'failure'
                WHEN c.to_state = 'up' THEN 'recovery' ELSE 'state' END,
           CASE WHEN c.to_state IN ('down', 'up') THEN coalesce(c.reason, '') ELSE m.name END,
           NULL, false, n.name,
           CASE WHEN c.to_state IN ('down', 'up') THEN '' ELSE c.to_state END
    FROM concerned n
    JOIN monitors m ON m.service_id = n.id
    JOIN monitor_state_changes c ON c.monitor = m.key
    WHERE c.region IS NULL AND c.effective_at >= $3
      AND ($4::timestamptz IS NULL OR c.effective_at <= $4)
    UNION ALL
    SELECT c.recorded_at, 'public_status', '', NULL, true, n.name, c.public_to
    FROM concerned n
    JOIN service_status_changes c ON c.service_id = n.id
    WHERE n.is_visible AND c.public_from <> c.public_to AND c.effective_at >= $3
      AND ($4::timestamptz IS NULL OR c.effective_at <= $4)
    UNION ALL
    SELECT k.at, 'mark', k.text, coalesce(k.source, k.author), false, '', ''
    FROM marks k
    WHERE k.org_id = $1 AND k.at >= $3 - interval '1 hour' AND k.at <= coalesce($4, now())
      AND (NOT EXISTS (SELECT FROM mark_services ks WHERE ks.mark_id = k.id)
           OR EXISTS (SELECT FROM mark_services ks JOIN concerned n ON n.id = ks.service_id
                      WHERE ks.mark_id = k.id))
    UNION ALL
    SELECT a.at, 'edited',
           'changed the ' || array_to_string(ARRAY(
               SELECT CASE f WHEN 'title' THEN 'title' WHEN 'internal_title' THEN 'internal title'
                      ELSE f || ' from ' || coalesce(a.before ->> f, 'none') || ' to '
                           || coalesce(a.after ->> f, 'none') END
               FROM unnest(ARRAY['title', 'internal_title', 'impact', 'lead']) f
               WHERE a.before ? f), ', the '),
           a.actor, false, '', ''
    FROM audit_log a
    WHERE a.org_id = $1 AND a.table_name = 'incidents' AND a.action = 'update'
      AND a.row_id = $2::uuid::text AND a.before ?| ARRAY['title', 'internal_title', 'impact', 'lead']
      AND a.actor <> 'statustui_engine' AND NOT a.before ? 'acknowledged_by'
) t
ORDER BY t.at, t.kind

-- name: service
-- $2 service, $3 how many; newest first.
SELECT t.at, t.kind, t.text, t.who, t.is_public, t.service_name, t.status
FROM (
    (SELECT c.effective_at AS at, 'status' AS kind, '' AS text, NULL AS who, false AS is_public,
            s.name AS service_name, c.to_status AS status
     FROM service_status_changes c JOIN services s ON s.id = c.service_id
     WHERE c.org_id = $1 AND c.service_id = $2 AND c.from_status <> c.to_status
     ORDER BY c.effective_at DESC LIMIT $3)
    UNION ALL
    (SELECT c.recorded_at, 'public_status', '', NULL, true, s.name, c.public_to
     FROM service_status_changes c JOIN services s ON s.id = c.service_id
     WHERE c.org_id = $1 AND c.service_id = $2 AND c.public_from <> c.public_to AND s.is_visible
       AND (c.public_to <> c.to_status OR c.from_status = c.to_status)
     ORDER BY c.effective_at DESC LIMIT $3)
    UNION ALL
    (SELECT c.effective_at,
            CASE WHEN c.to_state = 'down' THEN 'failure'
                 WHEN c.to_state = 'up' THEN 'recovery' ELSE 'state' END,
            CASE WHEN c.to_state IN ('down', 'up') THEN coalesce(c.reason, '') ELSE m.name END,
            NULL, false, s.name,
            CASE WHEN c.to_state IN ('down', 'up') THEN '' ELSE c.to_state END
     FROM monitors m
     JOIN services s ON s.id = m.service_id
     JOIN monitor_state_changes c ON c.monitor = m.key
     WHERE m.org_id = $1 AND m.service_id = $2 AND c.region IS NULL
     ORDER BY c.effective_at DESC LIMIT $3)
    UNION ALL
    (SELECT u.created_at, u.kind, i.code || ' ' || u.message, u.author, u.is_public, '', u.status
     FROM incident_services x
     JOIN incidents i ON i.id = x.incident_id AND i.deleted_at IS NULL
     JOIN incident_updates u ON u.incident_id = i.id AND u.supersedes_id IS NULL
     WHERE x.org_id = $1 AND x.service_id = $2 AND u.kind <> 'event'
     ORDER BY u.created_at DESC LIMIT $3)
    UNION ALL
    (SELECT k.at, 'mark', k.text, coalesce(k.source, k.author), false, '', ''
     FROM marks k
     WHERE k.org_id = $1
       AND (NOT EXISTS (SELECT FROM mark_services ks WHERE ks.mark_id = k.id)
            OR EXISTS (SELECT FROM mark_services ks
                       WHERE ks.mark_id = k.id AND ks.service_id = $2))
     ORDER BY k.at DESC LIMIT $3)
    UNION ALL
    (SELECT v.at, 'maintenance', w.title || v.word, NULL, w.is_public, '', ''
     FROM maintenance_services ms
     JOIN maintenance_windows w ON w.id = ms.window_id
     CROSS JOIN LATERAL (VALUES (w.started_at, ' began'),
         (w.finished_at, CASE w.status WHEN 'cancelled' THEN ' was cancelled' ELSE ' ended' END)
     ) AS v (at, word)
     WHERE ms.org_id = $1 AND ms.service_id = $2 AND v.at IS NOT NULL
     ORDER BY v.at DESC LIMIT $3)
) t
ORDER BY t.at DESC, t.kind
LIMIT $3
