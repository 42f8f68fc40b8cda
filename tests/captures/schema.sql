-- Tables of every replica identity and shape that matters to a decoder.
create extension if not exists dblink;
create type mood as enum ('sad', 'ok', 'happy');
create schema "Odd Schema";
create type "Odd Schema"."Odd Type" as enum ('a', 'b');
create table users (id int primary key, name text, bio text);
alter table users alter bio set storage external;
create table everything_kept (id bigint, note varchar(30), amount numeric(10, 2), ok boolean);
alter table everything_kept replica identity full;
create table by_index (a int not null, b text not null, c date);
create unique index by_index_key on by_index (b);
alter table by_index replica identity using index by_index_key;
create table only_inserts (at timestamptz, raw bytea, many int[], doc jsonb, feeling mood);
create table "Odd Schema"."a ""quoted"" table" ("Id ü" uuid primary key, "select" "char", "odd" "Odd Schema"."Odd Type");
create table parts (id int, kind text, primary key (id, kind)) partition by list (kind);
create table parts_a partition of parts for values in ('a');
create table nothing_in_it ();
create table pairs (a int, b int, primary key (a, b));
