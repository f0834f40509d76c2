-- The whole configuration, and the changes that make it another. Lists travel as JSON, so that a
-- file of thousands of entries is a handful of statements.

-- name: allow_long
SELECT set_config('statement_timeout', $1, true)

-- name: find_organization
SELECT o.org_id, m.role
FROM organizations o
JOIN members m ON m.org_id = o.org_id AND m.role_name = session_user
WHERE o.slug = $1

-- name: any_organization
-- Whether this person can see any; a superuser sees all.
SELECT EXISTS (SELECT FROM organizations)

-- name: my_slugs
SELECT o.slug FROM organizations o ORDER BY o.slug

-- name: create_organization
SELECT org_id FROM organization_create(p_name => $1, p_slug => $2, p_timezone => $3)

-- name: load_organization
SELECT slug, name, timezone, brand_color, automatic_incidents, recovery_watch_seconds, logo_url,
       public_base_url, guarded_sentence
FROM organizations WHERE org_id = $1

-- name: update_organization
UPDATE organizations SET name = $2, timezone = $3, brand_color = $4, automatic_incidents = $5,
    recovery_watch_seconds = $6, logo_url = $7, public_base_url = $8, guarded_sentence = $9
WHERE org_id = $1

-- name: load_pages
SELECT p.id, p.slug, p.name, p.description, p.headline, p.support_url, p.visibility, p.custom_domain,
       p.theme, p.lists_all,
       ARRAY(SELECT s.name FROM page_services ps JOIN services s ON s.id = ps.service_id
             WHERE ps.page_id = p.id AND s.deleted_at IS NULL
             ORDER BY ps.display_order, s.display_order, s.name) AS services
FROM pages p WHERE p.org_id = $1
ORDER BY p.created_at, p.slug

-- name: add_page
INSERT INTO pages (org_id, slug, name, description, headline, support_url, visibility, custom_domain,
    theme, lists_all)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
RETURNING id

-- name: update_page
UPDATE pages SET slug = $3, name = $4, description = $5, headline = $6, support_url = $7,
    visibility = $8, custom_domain = $9, theme = $10, lists_all = $11
WHERE org_id = $1 AND id = $2

-- name: remove_pages
DELETE FROM pages WHERE org_id = $1 AND slug = ANY ($2::text[])

-- name: clear_page_services
DELETE FROM page_services WHERE org_id = $1 AND page_id = $2

-- name: list_page_services
INSERT INTO page_services (org_id, page_id, service_id, display_order)
SELECT $1, $2, s.id, n.place::int * 10
FROM unnest($3::text[]) WITH ORDINALITY AS n (name, place)
JOIN services s ON s.org_id = $1 AND s.name = n.name AND s.deleted_at IS NULL

-- name: load_services
SELECT s.id, s.name, s.group_name, s.description, s.is_visible, s.automatic_incidents,
       s.display_order,
       ARRAY(SELECT n.name FROM service_dependencies d JOIN services n ON n.id = d.depends_on_id
             WHERE d.service_id = s.id AND n.deleted_at IS NULL ORDER BY n.name) AS depends_on
FROM services s
WHERE s.org_id = $1 AND s.deleted_at IS NULL
ORDER BY s.display_order, s.name

-- name: add_services
INSERT INTO services (org_id, name, group_name, description, display_order, is_visible,
    automatic_incidents)
SELECT $1, e.name, e.group_name, e.description, e.display_order, e.is_visible, e.automatic_incidents
FROM jsonb_to_recordset($2::text::jsonb) AS e (name text, group_name text, description text,
    display_order int, is_visible boolean, automatic_incidents text)
ORDER BY e.display_order

-- name: update_services
UPDATE services s SET group_name = e.group_name, description = e.description,
    display_order = e.display_order, is_visible = e.is_visible,
    automatic_incidents = e.automatic_incidents
FROM jsonb_to_recordset($2::text::jsonb) AS e (name text, group_name text, description text,
    display_order int, is_visible boolean, automatic_incidents text)
WHERE s.org_id = $1 AND s.name = e.name AND s.deleted_at IS NULL

-- name: remove_services
UPDATE services SET deleted_at = now(), pinned_status = NULL
WHERE org_id = $1 AND name = ANY ($2::text[]) AND deleted_at IS NULL

-- name: remove_monitors_of_services
UPDATE monitors m SET deleted_at = now()
FROM services s
WHERE s.id = m.service_id AND s.org_id = $1 AND s.name = ANY ($2::text[]) AND s.deleted_at IS NULL
  AND m.deleted_at IS NULL

-- name: clear_dependencies
DELETE FROM service_dependencies d USING services s
WHERE s.id = d.service_id AND d.org_id = $1 AND s.name = ANY ($2::text[]) AND s.deleted_at IS NULL

-- name: clear_dependencies_on
-- Nothing depends on what is gone.
DELETE FROM service_dependencies d USING services s
WHERE s.id IN (d.service_id, d.depends_on_id) AND d.org_id = $1 AND s.name = ANY ($2::text[])
  AND s.deleted_at IS NULL

-- name: add_dependencies
INSERT INTO service_dependencies (org_id, service_id, depends_on_id)
SELECT $1, s.id, n.id
FROM unnest($2::text[], $3::text[]) AS e (service, needed)
JOIN services s ON s.org_id = $1 AND s.name = e.service AND s.deleted_at IS NULL
JOIN services n ON n.org_id = $1 AND n.name = e.needed AND n.deleted_at IS NULL

-- name: add_monitors
INSERT INTO monitors (org_id, service_id, name, type, config, interval_seconds, timeout_ms,
    failure_threshold, recovery_threshold, retry_interval_seconds, degraded_after_ms, conditions,
    degraded_conditions, is_active, paused_until, runbook, tags, regions, region_quorum)
SELECT $1, s.id, e.name, e.type, e.config, e.interval_seconds, e.timeout_ms, e.failure_threshold,
       e.recovery_threshold, e.retry_interval_seconds, e.degraded_after_ms, e.conditions,
       e.degraded_conditions, e.is_active, e.paused_until, e.runbook, e.tags, e.regions,
       e.region_quorum
FROM jsonb_to_recordset($2::text::jsonb) AS e (service text, name text, type text, config jsonb,
    interval_seconds int, timeout_ms int, failure_threshold int, recovery_threshold int,
    retry_interval_seconds int, degraded_after_ms int, conditions text[], degraded_conditions text[],
    is_active boolean, paused_until timestamptz, runbook text, tags text[], regions text[],
    region_quorum smallint)
JOIN services s ON s.org_id = $1 AND s.name = e.service AND s.deleted_at IS NULL

-- name: update_monitors
UPDATE monitors m SET type = e.type, config = e.config, interval_seconds = e.interval_seconds,
    timeout_ms = e.timeout_ms, failure_threshold = e.failure_threshold,
    recovery_threshold = e.recovery_threshold, retry_interval_seconds = e.retry_interval_seconds,
    degraded_after_ms = e.degraded_after_ms, conditions = e.conditions,
    degraded_conditions = e.degraded_conditions, is_active = e.is_active,
    paused_until = e.paused_until, runbook = e.runbook, tags = e.tags,
    regions = e.regions, region_quorum = e.region_quorum
FROM jsonb_to_recordset($2::text::jsonb) AS e (service text, name text, type text, config jsonb,
    interval_seconds int, timeout_ms int, failure_threshold int, recovery_threshold int,
    retry_interval_seconds int, degraded_after_ms int, conditions text[], degraded_conditions text[],
    is_active boolean, paused_until timestamptz, runbook text, tags text[], regions text[],
    region_quorum smallint)
JOIN services s ON s.org_id = $1 AND s.name = e.service AND s.deleted_at IS NULL
WHERE m.service_id = s.id AND m.name = e.name AND m.deleted_at IS NULL

-- name: remove_monitors
UPDATE monitors m SET deleted_at = now()
FROM unnest($2::text[], $3::text[]) AS e (service, name), services s
WHERE s.org_id = $1 AND s.name = e.service AND s.deleted_at IS NULL
  AND m.service_id = s.id AND m.name = e.name AND m.deleted_at IS NULL

-- name: load_maintenance
-- One row for each series: the start of its first occurrence, the rest as its newest one has it.
SELECT DISTINCT ON (w.series_id) w.series_id, w.title, w.description, w.starts_at, w.ends_at,
       w.recurrence_rule, w.exceptions, w.auto_update, w.is_public,
       min(w.starts_at) OVER (PARTITION BY w.series_id) AS first_at,
       bool_or(w.status IN ('scheduled', 'in_progress')) OVER (PARTITION BY w.series_id) AS is_open,
       w.status = 'cancelled' AS is_cancelled,
       ARRAY(SELECT s.name FROM maintenance_services ms JOIN services s ON s.id = ms.service_id
             WHERE ms.window_id = w.id AND s.deleted_at IS NULL ORDER BY s.name) AS services
FROM maintenance_windows w
WHERE w.org_id = $1
ORDER BY w.series_id, w.starts_at DESC

-- name: add_window
INSERT INTO maintenance_windows (org_id, title, description, starts_at, ends_at, auto_update,
    is_public, recurrence_rule, exceptions)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
RETURNING id

-- name: update_open_windows
-- The open occurrences of a series take on what the file says; each keeps its own start.
UPDATE maintenance_windows SET title = $3, description = $4,
    ends_at = starts_at + make_interval(secs => $5), auto_update = $6, is_public = $7,
    recurrence_rule = $8, exceptions = $9
WHERE org_id = $1 AND series_id = $2 AND status IN ('scheduled', 'in_progress')
RETURNING id

-- name: cancel_series
UPDATE maintenance_windows SET status = 'cancelled'
WHERE org_id = $1 AND series_id = ANY ($2::uuid[]) AND status IN ('scheduled', 'in_progress')

-- name: clear_window_services
DELETE FROM maintenance_services WHERE org_id = $1 AND window_id = ANY ($2::uuid[])

-- name: add_window_services
INSERT INTO maintenance_services (org_id, window_id, service_id)
SELECT $1, w, s.id
FROM unnest($2::uuid[]) w
CROSS JOIN services s
WHERE s.org_id = $1 AND s.name = ANY ($3::text[]) AND s.deleted_at IS NULL

-- name: load_monitors
SELECT s.name AS service_name, m.name, m.type, m.config, m.interval_seconds, m.timeout_ms,
       m.failure_threshold, m.recovery_threshold, m.retry_interval_seconds, m.degraded_after_ms,
       m.conditions, m.degraded_conditions, m.is_active, m.paused_until, m.runbook, m.tags,
       m.regions, m.region_quorum
FROM monitors m
JOIN services s ON s.id = m.service_id AND s.deleted_at IS NULL
WHERE m.org_id = $1 AND m.deleted_at IS NULL
ORDER BY s.name, m.created_at, m.name
