-- What a connection is told and asked apart from any work.

-- name: begin_session
-- Compiling a statement costs more than any of ours takes, and is on by default.
SELECT set_config('search_path', $1, false), set_config('statement_timeout', $2, false),
       set_config('jit', 'off', false)

-- name: ping
SELECT 1
