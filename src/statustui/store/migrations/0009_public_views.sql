-- What the public may read: the only things the web's role can see.
--
-- Every view is keyed by page_slug and holds published fields alone: no hidden service, no internal
-- incident or note, no monitor and its configuration, no error text, no person. They are barriers,
-- so that no function in a query sees a row before the view has decided on it. They belong to the
-- owner and read the tables as the owner.

-- Not granted to anybody: which services each page shows, in which order and group.
CREATE VIEW page_contents WITH (security_barrier) AS
SELECT p.slug AS page_slug, p.id AS page_id, p.org_id, s.id AS service_id, s.name, s.description,
       coalesce(ps.group_name, s.group_name) AS group_name,
       coalesce(ps.display_order, s.display_order) AS display_order, s.created_at
FROM pages p
JOIN services s ON s.org_id = p.org_id AND s.is_visible AND s.deleted_at IS NULL
LEFT JOIN page_services ps ON ps.page_id = p.id AND ps.service_id = s.id
WHERE p.lists_all OR ps.service_id IS NOT NULL;

CREATE VIEW public_pages WITH (security_barrier) AS
SELECT p.slug AS page_slug, p.id AS page_id, p.name, p.description, p.headline, p.support_url,
       p.visibility, p.custom_domain, p.theme, p.created_at, p.updated_at, o.channel_key,
       o.id AS organization_id, o.slug AS organization_slug, o.name AS organization_name, o.logo_url,
       o.brand_color, o.timezone, o.public_base_url,
       b.observed_at
FROM pages p
JOIN organizations o ON o.org_id = p.org_id
LEFT JOIN observed b ON b.org_id = p.org_id;

CREATE VIEW public_page_tokens WITH (security_barrier) AS
SELECT p.slug AS page_slug, t.token_hash
FROM page_tokens t JOIN pages p ON p.id = t.page_id
WHERE t.revoked_at IS NULL;

CREATE VIEW public_services WITH (security_barrier) AS
SELECT c.page_slug, c.service_id AS id, c.name, c.description, c.group_name, c.display_order,
       st.public_status AS status, st.public_since AS status_since, c.created_at
FROM page_contents c JOIN service_state st ON st.service_id = c.service_id;

CREATE VIEW public_status_changes WITH (security_barrier) AS
SELECT c.page_slug, h.id, h.service_id, h.public_from AS from_status, h.public_to AS to_status,
       h.effective_at, h.recorded_at
FROM page_contents c JOIN service_status_changes h ON h.service_id = c.service_id
WHERE h.public_from <> h.public_to;

CREATE VIEW public_incidents WITH (security_barrier) AS
SELECT p.slug AS page_slug, i.id, i.code, i.title, i.status, i.impact, i.is_auto, i.is_retroactive,
       i.started_at, i.identified_at, i.monitoring_at, i.resolved_at, i.published_at, i.created_at,
       i.updated_at, i.next_update_by, i.version,
       CASE WHEN i.postmortem_published_at IS NOT NULL THEN i.postmortem END AS postmortem,
       i.postmortem_published_at
FROM pages p JOIN incidents i ON i.org_id = p.org_id
WHERE i.is_public AND i.deleted_at IS NULL
  AND EXISTS (SELECT FROM incident_services x JOIN page_contents c ON c.service_id = x.service_id
              WHERE x.incident_id = i.id AND c.page_id = p.id);

CREATE VIEW public_incident_services WITH (security_barrier) AS
SELECT c.page_slug, x.incident_id, x.service_id, c.name, x.from_status, x.to_status,
       c.group_name, c.display_order
FROM page_contents c
JOIN incident_services x ON x.service_id = c.service_id
JOIN incidents i ON i.id = x.incident_id
WHERE i.is_public AND i.deleted_at IS NULL;

-- A corrected update keeps its place and says when it was edited; a redacted one is gone.
CREATE VIEW public_incident_updates WITH (security_barrier) AS
SELECT i.page_slug, u.incident_id, u.id, u.status, coalesce(n.message, u.message) AS message,
       CASE WHEN n.id IS NULL THEN u.still_works ELSE n.still_works END AS still_works,
       coalesce(n.next_update_by, u.next_update_by) AS next_update_by,
       u.created_at, n.created_at AS edited_at,
       CASE WHEN u.author IS NULL THEN 'automatically' ELSE 'person' END AS detected
FROM public_incidents i
JOIN incident_updates u ON u.incident_id = i.id
LEFT JOIN LATERAL (
    SELECT e.* FROM incident_updates e WHERE e.supersedes_id = u.id
    ORDER BY e.created_at DESC LIMIT 1) n ON true
WHERE u.is_public AND u.kind = 'update' AND u.supersedes_id IS NULL
  AND coalesce(n.redacted_at, CASE WHEN n.id IS NULL THEN u.redacted_at END) IS NULL;

CREATE VIEW public_maintenance WITH (security_barrier) AS
SELECT p.slug AS page_slug, w.id, w.series_id, w.title, w.description, w.starts_at, w.ends_at,
       w.status, w.recurrence_rule, w.exceptions, w.started_at, w.finished_at, w.created_at, w.updated_at
FROM pages p JOIN maintenance_windows w ON w.org_id = p.org_id
WHERE w.is_public
  AND EXISTS (SELECT FROM maintenance_services m JOIN page_contents c ON c.service_id = m.service_id
              WHERE m.window_id = w.id AND c.page_id = p.id);

CREATE VIEW public_maintenance_services WITH (security_barrier) AS
SELECT c.page_slug, m.window_id, m.service_id, c.name, c.group_name, c.display_order
FROM page_contents c
JOIN maintenance_services m ON m.service_id = c.service_id
JOIN maintenance_windows w ON w.id = m.window_id
WHERE w.is_public;

CREATE VIEW public_maintenance_updates WITH (security_barrier) AS
SELECT w.page_slug, u.window_id, u.id, u.status, u.message, u.created_at
FROM public_maintenance w JOIN maintenance_updates u ON u.window_id = w.id
WHERE u.is_public;

-- Sums over all monitors that a service has or had.
DO $$
DECLARE
    v_sums text := (SELECT string_agg(format('sum(r.%1$s)::bigint AS %1$s', n), ', ')
        FROM (SELECT unnest(ARRAY['success', 'degraded', 'failure', 'timeout', 'unknown',
                                  'maintenance', 'slots', 'timed'])
              UNION ALL SELECT 'h' || to_char(i, 'FM00') FROM generate_series(0, 23) i) t (n));
BEGIN
    EXECUTE format('CREATE VIEW public_daily WITH (security_barrier) AS
        SELECT c.page_slug, c.service_id, r.day, sum(r.sum_ms) AS sum_ms, min(r.min_ms) AS min_ms,
               max(r.max_ms) AS max_ms, %s
        FROM page_contents c
        JOIN monitors m ON m.service_id = c.service_id
        JOIN rollups_daily r ON r.org_id = c.org_id AND r.monitor = m.key
        GROUP BY c.page_slug, c.service_id, r.day', v_sums);
    EXECUTE format('CREATE VIEW public_hourly WITH (security_barrier) AS
        SELECT c.page_slug, c.service_id, r.hour, sum(r.sum_ms) AS sum_ms, min(r.min_ms) AS min_ms,
               max(r.max_ms) AS max_ms, %s
        FROM page_contents c
        JOIN monitors m ON m.service_id = c.service_id
        JOIN rollups_hourly r ON r.monitor = m.key
        GROUP BY c.page_slug, c.service_id, r.hour', v_sums);
END $$;

-- How many slots were scheduled for each service of a page, per bucket: what coverage is measured
-- against. A function, because the schedules themselves are configuration.
CREATE FUNCTION public_slots(p_page_slug text, p_from timestamptz, p_to timestamptz, p_bucket interval)
RETURNS TABLE (service_id uuid, at timestamptz, slots bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
    SELECT m.service_id, s.at, sum(s.slots)::bigint
    FROM scheduled_slots((SELECT org_id FROM pages WHERE slug = p_page_slug),
                         p_from, least(p_to, now()), p_bucket) s
    JOIN monitors m ON m.key = s.monitor
    JOIN page_contents c ON c.service_id = m.service_id AND c.page_slug = p_page_slug
    WHERE p_to - p_from <= interval '400 days' AND p_bucket >= interval '1 hour'
    GROUP BY m.service_id, s.at
$$;

GRANT SELECT ON public_pages, public_page_tokens, public_services, public_status_changes,
    public_incidents, public_incident_services, public_incident_updates, public_maintenance,
    public_maintenance_services, public_maintenance_updates, public_daily, public_hourly
    TO statustui_web;
GRANT EXECUTE ON FUNCTION public_slots TO statustui_web;
