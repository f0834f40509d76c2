-- What the public page is made of, read as statustui_web from views that hold nothing else.
-- Every statement names the page by its slug; `page_slug` is a column of every public view.

-- name: load_page_index
SELECT page_slug, name, visibility, custom_domain, channel_key
FROM public_pages
ORDER BY page_slug;

-- name: load_page
SELECT page_slug, name, description, headline, support_url, visibility, custom_domain, theme,
       organization_name, organization_slug, public_base_url, logo_url, brand_color, timezone,
       observed_at, now() AS read_at
FROM public_pages
WHERE page_slug = $1;

-- name: load_services
SELECT id, name, description, group_name, display_order, status, status_since, created_at
FROM public_services
WHERE page_slug = $1
ORDER BY display_order, name, id;

-- name: load_daily
-- The oldest day asked for is $2.
SELECT service_id, day, success, degraded, failure, timeout, slots, timed, sum_ms, min_ms, max_ms,
       h00, h01, h02, h03, h04, h05, h06, h07, h08, h09, h10, h11, h12, h13, h14, h15, h16, h17,
       h18, h19, h20, h21, h22, h23
FROM public_daily
WHERE page_slug = $1 AND day >= $2;

-- name: load_hourly
-- The oldest hour asked for is $2.
SELECT service_id, hour, success, degraded, failure, timeout, timed, sum_ms, min_ms, max_ms,
       h00, h01, h02, h03, h04, h05, h06, h07, h08, h09, h10, h11, h12, h13, h14, h15, h16, h17,
       h18, h19, h20, h21, h22, h23
FROM public_hourly
WHERE page_slug = $1 AND hour >= $2;

-- name: load_slots
-- What was planned per day, from $2 until $3.
SELECT service_id, at, slots
FROM public_slots($1, $2, $3, interval '1 day');

-- name: load_status_changes
-- All since $2, and before it the last one of each service, which says how the time began.
SELECT service_id, from_status, to_status, effective_at
FROM (
    SELECT service_id, from_status, to_status, effective_at, id
    FROM public_status_changes
    WHERE page_slug = $1 AND effective_at >= $2
    UNION ALL
    SELECT * FROM (
        SELECT DISTINCT ON (service_id) service_id, from_status, to_status, effective_at, id
        FROM public_status_changes
        WHERE page_slug = $1 AND effective_at < $2
        ORDER BY service_id, effective_at DESC, id DESC
    ) AS earlier
) AS known
ORDER BY service_id, effective_at, id;

-- name: load_incidents
SELECT id, code, title, status, impact, is_auto, started_at, identified_at, monitoring_at,
       resolved_at, created_at, updated_at, next_update_by, postmortem, is_retroactive
FROM public_incidents
WHERE page_slug = $1
ORDER BY resolved_at IS NULL DESC, started_at DESC, id;

-- name: load_incident_updates
SELECT incident_id, id, status, message, still_works, next_update_by, created_at, edited_at,
       detected
FROM public_incident_updates
WHERE page_slug = $1
ORDER BY incident_id, created_at DESC, id DESC;

-- name: load_incident_services
SELECT incident_id, service_id, name, from_status, to_status
FROM public_incident_services
WHERE page_slug = $1
ORDER BY incident_id, display_order, name;

-- name: load_maintenance
-- What runs, what is to come, and what was over since $2.
SELECT id, title, description, starts_at, ends_at, status, recurrence_rule
FROM public_maintenance
WHERE page_slug = $1 AND ends_at >= $2
ORDER BY starts_at, id;

-- name: load_maintenance_services
SELECT window_id, service_id, name
FROM public_maintenance_services
WHERE page_slug = $1
ORDER BY window_id, display_order, name;

-- name: load_maintenance_updates
SELECT window_id, id, status, message, created_at
FROM public_maintenance_updates
WHERE page_slug = $1
ORDER BY window_id, created_at DESC, id;
