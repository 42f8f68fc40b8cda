-- Inserts, updates, deletes and truncates of tables with a primary key, and transactions of every outcome.
create table users (id int primary key, name text, born date, bio text);
create table tags (user_id int, tag text, primary key (user_id, tag));
create table log (line text);

insert into users values (1, 'Ada', '1815-12-10', null);

begin;
insert into users values (2, 'Grace', '1906-12-09', ''), (3, 'it''s "quoted" \ back' || E'\n' || 'next line', null, 'ü 😀');
insert into tags values (1, 'maths'), (2, 'navy');
insert into log values ('no key');
commit;

update users set name = 'Ada Lovelace' where id = 1;
update users set id = 20, bio = 'moved' where id = 2;
update users set name = name where id = 3;
update tags set tag = 'analysis' where user_id = 1;
delete from users where id = 3;
delete from tags where user_id = 2;

begin;
insert into users values (4, 'never', null, null);
rollback;

begin;
insert into users values (5, 'kept', null, null);
savepoint a;
insert into users values (6, 'void', null, null);
rollback to a;
savepoint b;
insert into users values (7, 'kept too', null, null);
release b;
commit;

begin;
select pg_logical_emit_message(true, 'app', 'within');
insert into users values (8, 'after the message', null, null);
select pg_logical_emit_message(true, 'app', '\x00ff'::bytea);
commit;
select pg_logical_emit_message(false, 'app', 'outside');

truncate tags, log;
truncate users restart identity cascade;
