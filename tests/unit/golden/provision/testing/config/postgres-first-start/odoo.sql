-- Made by odoo-ops. The image runs it as superuser, once, when the cluster is new.
SET log_min_error_statement = panic; -- the log would hold the statement with the password, should it fail
SET pg_stat_statements.track_utility = off; -- it would keep the password
CREATE EXTENSION pg_stat_statements;
\set password `cat /run/secrets/odoo_password`
CREATE ROLE "odoo" LOGIN NOCREATEDB PASSWORD :'password';
