-- What one session does: every kind of message that is not about concurrency.
insert into users values (1, 'Ada', 'first'), (2, 'Grace', null), (3, E'quo"te\\back\nline\ttab', '');
update users set name = 'Ada Lovelace' where id = 1;
update users set id = 10 where id = 2;
delete from users where id = 3;
insert into users select 4, 'long', string_agg(md5(i::text), '') from generate_series(1, 100) i;
update users set name = 'longer' where id = 4;

begin;
insert into everything_kept values (1, 'one', 1.50, true), (2, null, 'NaN', false);
update everything_kept set note = 'uno' where id = 1;
update everything_kept set note = note where id = 2;
delete from everything_kept where id = 2;
commit;

insert into by_index values (1, 'x', '2026-11-20');
update by_index set c = 'infinity';
update by_index set b = 'y';
delete from by_index;

insert into only_inserts values
    ('2026-11-20 09:23:34.946212+00', '\x00ff0a5c', '{1,NULL,3}', '{"a": [1, 2.50, "x\"y"]}', 'happy'), (null, null, null, null, null);
insert into "Odd Schema"."a ""quoted"" table" values ('12345678-1234-1234-1234-123456789abc', 'x', 'a');
insert into parts values (1, 'a');
update parts set id = 2;
insert into nothing_in_it default values;
insert into pairs values (1, 2);
update pairs set b = 2;
update pairs set b = 3;

begin;
select pg_logical_emit_message(true, 'app', 'within');
insert into users values (5, 'five', null);
select pg_logical_emit_message(false, 'app', E'with"out\nend');
savepoint a;
insert into users values (6, 'six', null);
rollback to a;
insert into users values (7, 'seven', null);
savepoint b;
insert into users values (8, 'eight', null);
release b;
commit;
select pg_logical_emit_message(false, 'empty', '');

begin;
insert into users values (9, 'before', null);
alter table users add column extra int default 7;
update users set name = 'after' where id = 9;
alter table users rename name to full_name;
delete from users where id = 9;
commit;
update users set full_name = 'longest' where id = 4;

truncate users, pairs;
truncate parts cascade;
truncate by_index restart identity;
begin;
insert into users values (11, 'void', null);
rollback;

select pg_replication_origin_create('elsewhere');
select pg_replication_origin_session_setup('elsewhere');
begin;
select pg_replication_origin_xact_setup('0/1234', '2026-01-01');
insert into users values (12, 'from elsewhere', null);
commit;
select pg_replication_origin_session_reset();

begin;
insert into users values (20, 'prepared', null);
prepare transaction 'to be committed';
begin;
insert into users values (21, 'prepared', null);
prepare transaction 'to be rolled back';
insert into users values (22, 'between', null);
commit prepared 'to be committed';
rollback prepared 'to be rolled back';
