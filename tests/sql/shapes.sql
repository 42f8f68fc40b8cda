-- Tables that change their shape, and odd ones.
create table nothing_in_it ();
create table users (id int primary key, name text);
create table parts (id int, kind text, primary key (id, kind)) partition by list (kind);
create table parts_a partition of parts for values in ('a');
create table parts_b partition of parts for values in ('b');
create table parent (id int primary key, name text);
create table child (more int, primary key (id)) inherits (parent);

insert into nothing_in_it default values;

begin;
insert into users values (1, 'before');
alter table users add column extra int default 7;
update users set name = 'with extra' where id = 1;
alter table users rename name to full_name;
insert into users values (2, 'renamed', null);
alter table users drop column extra;
update users set full_name = 'dropped' where id = 2;
commit;
alter table users rename to people;
insert into people values (3, 'table renamed');
alter table people alter id type bigint;
delete from people where id = 1;

insert into parts values (1, 'a'), (2, 'b');
update parts set kind = 'b' where id = 1;
delete from parts where id = 2;

insert into parent values (1, 'parent');
insert into child values (2, 'child', 3);
update parent set name = 'both';
