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
-- A row for each service: its days counted from $2, the oldest asked for, with what each came to.
-- Lists instead of a row for each day, because most of the time would go into rows otherwise.
SELECT service_id, array_agg(day - $2::date) AS days,
       array_agg((success + degraded)::int) AS succeeded,
       array_agg((success + degraded + failure + timeout)::int) AS looked,
       array_agg(slots::int) AS slots,
       array_agg(CASE WHEN timed > 0 THEN sum_ms / timed END) AS avg_ms,
       array_agg(min_ms) AS min_ms, array_agg(max_ms) AS max_ms,
       array_agg(h00::int) AS h00, array_agg(h01::int) AS h01, array_agg(h02::int) AS h02,
       array_agg(h03::int) AS h03, array_agg(h04::int) AS h04, array_agg(h05::int) AS h05,
       array_agg(h06::int) AS h06, array_agg(h07::int) AS h07, array_agg(h08::int) AS h08,
       array_agg(h09::int) AS h09, array_agg(h10::int) AS h10, array_agg(h11::int) AS h11,
       array_agg(h12::int) AS h12, array_agg(h13::int) AS h13, array_agg(h14::int) AS h14,
       array_agg(h15::int) AS h15, array_agg(h16::int) AS h16, array_agg(h17::int) AS h17,
       array_agg(h18::int) AS h18, array_agg(h19::int) AS h19, array_agg(h20::int) AS h20,
       array_agg(h21::int) AS h21, array_agg(h22::int) AS h22, array_agg(h23::int) AS h23
FROM public_daily
WHERE page_slug = $1 AND day >= $2
GROUP BY service_id;

-- name: load_hourly
-- The same for hours, the oldest asked for being $2.
SELECT service_id, array_agg(hour) AS hours,
       array_agg((success + degraded + failure + timeout)::int) AS looked,
       array_agg(CASE WHEN timed > 0 THEN sum_ms / timed END) AS avg_ms,
       array_agg(min_ms) AS min_ms, array_agg(max_ms) AS max_ms,
       array_agg(h00::int) AS h00, array_agg(h01::int) AS h01, array_agg(h02::int) AS h02,
       array_agg(h03::int) AS h03, array_agg(h04::int) AS h04, array_agg(h05::int) AS h05,
       array_agg(h06::int) AS h06, array_agg(h07::int) AS h07, array_agg(h08::int) AS h08,
       array_agg(h09::int) AS h09, array_agg(h10::int) AS h10, array_agg(h11::int) AS h11,
       array_agg(h12::int) AS h12, array_agg(h13::int) AS h13, array_agg(h14::int) AS h14,
       array_agg(h15::int) AS h15, array_agg(h16::int) AS h16, array_agg(h17::int) AS h17,
       array_agg(h18::int) AS h18, array_agg(h19::int) AS h19, array_agg(h20::int) AS h20,
       array_agg(h21::int) AS h21, array_agg(h22::int) AS h22, array_agg(h23::int) AS h23
FROM public_hourly
WHERE page_slug = $1 AND hour >= $2
GROUP BY service_id;

-- name: load_slots
-- What was planned on each day since midnight $2, counted from it, until $3.
SELECT service_id, array_agg((at AT TIME ZONE 'UTC')::date - ($2 AT TIME ZONE 'UTC')::date) AS days,
       array_agg(slots) AS slots
FROM public_slots($1, $2, $3, interval '1 day')
GROUP BY service_id;

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
