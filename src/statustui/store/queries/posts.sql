-- What people do to incidents; each is a function of the schema, which settles everything at once.

-- name: create_incident
SELECT code, version, post_id, public_at
FROM incident_create(
    p_org => $1, p_title => $2, p_impact => $3, p_message => $4, p_services => $5::uuid[],
    p_statuses => $6::text[], p_status => $7, p_is_public => $8, p_internal_title => $9,
    p_next_update_by => $10, p_still_works => $11, p_started_at => $12, p_resolved_at => $13,
    p_delay_seconds => $14, p_notify_delay_seconds => $15)

-- name: load_post
SELECT p.applied_at IS NULL AS is_waiting FROM pending_posts p WHERE p.id = $1

-- name: post_update
SELECT u.post_id, u.version, u.public_at, u.update_id IS NULL AS is_waiting
FROM post_update(
    p_incident => $1, p_message => $2, p_status => $3, p_is_public => $4, p_base_version => $5,
    p_next_update_by => $6, p_still_works => $7, p_services => $8::uuid[], p_statuses => $9::text[],
    p_title => $10, p_impact => $11, p_delay_seconds => $12, p_notify_delay_seconds => $13) u

-- name: add_note
SELECT add_note($1, $2)

-- name: take_back
SELECT i.code, i.version, t.status, t.message, t.is_public, t.next_update_by, t.still_works, t.title,
       t.service_ids, t.service_statuses, t.is_opening
FROM take_back_post($1) t
JOIN incidents i ON i.id = t.incident_id

-- name: release
SELECT (release_post($1)).refusal

-- name: apply_due_posts
SELECT count(*) FROM apply_due_posts()

-- name: acknowledge
SELECT (acknowledge($1, $2)).acknowledged_until

-- name: release_acknowledgement
SELECT (release_acknowledgement($1)).version

-- name: snooze
SELECT (snooze($1, $2)).version

-- name: hold
SELECT (incident_hold($1, $2)).version

-- name: publish
SELECT (incident_publish($1)).version

-- name: edit
SELECT (incident_edit(p_incident => $1, p_title => $2, p_internal_title => $3, p_impact => $4,
                      p_lead => $5, p_base_version => $6)).version

-- name: is_post_of
SELECT EXISTS (SELECT FROM pending_posts WHERE org_id = $1 AND id = $2)
