-- What a connection is told and asked apart from any work.

-- name: begin_session
SELECT set_config('search_path', $1, false), set_config('statement_timeout', $2, false)

-- name: ping
SELECT 1
