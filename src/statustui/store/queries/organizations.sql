-- Who the person is here, and who watches.

-- name: load_organizations
SELECT o.org_id, o.slug, o.name, o.timezone, o.brand_color, o.plan, o.automatic_incidents,
       o.recovery_watch_seconds, o.public_base_url, o.channel_key, m.role
FROM organizations o
JOIN members m ON m.org_id = o.org_id AND m.role_name = session_user
ORDER BY o.name, o.slug

-- name: load_organization
SELECT o.org_id, o.slug, o.name, o.timezone, o.brand_color, o.plan, o.automatic_incidents,
       o.recovery_watch_seconds, o.public_base_url, o.channel_key, m.role,
       session_user::text AS operator, clock_timestamp() AS read_at
FROM organizations o
JOIN members m ON m.org_id = o.org_id AND m.role_name = session_user
WHERE o.org_id = $1

-- name: load_watch
-- The engines that look now, the one that has looked longest first, and the one heard of last.
SELECT e.id, e.host, e.process_id, r.name AS region, e.started_at, e.heartbeat_at, e.info,
       e.behind_seconds, e.offline_since IS NOT NULL AS is_offline, alive.is_alive
FROM engines e
JOIN regions r ON r.key = e.region
LEFT JOIN shares s ON s.region = e.region
CROSS JOIN LATERAL (
    SELECT e.stopped_at IS NULL AND coalesce(e.id = ANY (s.members), false)
           AND e.heartbeat_at > clock_timestamp() - interval '6 seconds' AS is_alive) alive
WHERE alive.is_alive OR e.id = (SELECT id FROM engines ORDER BY heartbeat_at DESC LIMIT 1)
ORDER BY alive.is_alive DESC, e.started_at, e.id

-- name: load_pages
SELECT p.slug, p.name, p.visibility,
       CASE WHEN p.lists_all THEN NULL
            ELSE ARRAY(SELECT ps.service_id FROM page_services ps WHERE ps.page_id = p.id) END
           AS service_ids
FROM pages p
WHERE p.org_id = $1
ORDER BY p.created_at, p.slug
