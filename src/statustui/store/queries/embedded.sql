-- The database inside the embedded server.

-- name: database_exists
SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'statustui')

-- name: create_database
CREATE DATABASE statustui
