-- A stand-in for an Odoo database: the tables that the flows read, and bulk tables of the shape that a trading
-- company's have. No Odoo could boot on it.
CREATE TABLE ir_attachment (id serial PRIMARY KEY, name text, store_fname text, checksum text, file_size int,
                            res_model text, res_id int, res_field text, mimetype text, create_date timestamp);
CREATE INDEX ir_attachment_store_fname ON ir_attachment (store_fname);
CREATE INDEX ir_attachment_res ON ir_attachment (res_model, res_id);
CREATE TABLE ir_module_module (id serial PRIMARY KEY, name text, state text, latest_version text);
CREATE TABLE ir_config_parameter (key text PRIMARY KEY, value text);
CREATE TABLE res_users (id serial PRIMARY KEY, login text, active bool);
CREATE TABLE res_groups_users_rel (gid int, uid int);
CREATE TABLE res_partner (id serial PRIMARY KEY, name text, street text, city text, zip text, email text, phone text,
                          vat text, comment text, active bool, create_date timestamp, write_date timestamp);
CREATE INDEX res_partner_name_search ON res_partner USING gin (unaccent(name) gin_trgm_ops);
CREATE TABLE sale_order_line (id serial PRIMARY KEY, order_id int, product_id int, name text, qty numeric,
                              price_unit numeric, price_total numeric, state text, create_date timestamp,
                              write_date timestamp);
CREATE INDEX sale_order_line_order ON sale_order_line (order_id);
CREATE INDEX sale_order_line_product ON sale_order_line (product_id);
CREATE TABLE account_move_line (id serial PRIMARY KEY, move_id int, account_id int, partner_id int, date date,
                                ref text, name text, debit numeric, credit numeric, balance numeric,
                                reconciled bool, create_date timestamp, write_date timestamp);
CREATE INDEX account_move_line_move ON account_move_line (move_id);
CREATE INDEX account_move_line_account ON account_move_line (account_id, date);
CREATE INDEX account_move_line_partner ON account_move_line (partner_id);
CREATE TABLE stock_move (id serial PRIMARY KEY, product_id int, picking_id int, reference text, qty numeric,
                         price_unit numeric, state text, date timestamp, write_date timestamp);
CREATE INDEX stock_move_product ON stock_move (product_id, state);
CREATE INDEX stock_move_picking ON stock_move (picking_id);
CREATE TABLE mail_message (id serial PRIMARY KEY, model text, res_id int, author_id int, subject text, body text,
                           message_type text, message_id text, date timestamp, write_date timestamp);
CREATE INDEX mail_message_model ON mail_message (model, res_id);
CREATE INDEX mail_message_message_id ON mail_message (message_id);
INSERT INTO ir_module_module (name, state, latest_version) VALUES ('base', 'installed', '19.0.1.3');
INSERT INTO ir_config_parameter VALUES ('database.uuid', gen_random_uuid()::text);
INSERT INTO res_users (login, active) VALUES ('admin', true), ('demo', false);
INSERT INTO res_groups_users_rel VALUES (1, 1), (2, 1), (1, 2);
