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
-- The watch that checks now, or the one that did last.
SELECT l.info, l.acquired_at, l.expires_at > clock_timestamp() AS is_alive,
       coalesce(e.heartbeat_at, least(l.expires_at, clock_timestamp())) AS heartbeat_at,
       coalesce(e.started_at, l.acquired_at) AS started_at,
       e.offline_since IS NOT NULL AS is_offline,
       e.host, e.process_id
FROM leases l
LEFT JOIN engines e ON e.id = l.holder
WHERE l.name LIKE 'engine:%'
ORDER BY l.expires_at DESC
LIMIT 1

-- name: load_pages
SELECT p.slug, p.name, p.visibility,
       CASE WHEN p.lists_all THEN NULL
            ELSE ARRAY(SELECT ps.service_id FROM page_services ps WHERE ps.page_id = p.id) END
           AS service_ids
FROM pages p
WHERE p.org_id = $1
ORDER BY p.created_at, p.slug
