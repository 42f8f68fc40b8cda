-- TOASTed values: sent, left alone, and filled in from the old row.
create table by_key (id int primary key, n int, bio text);
create table by_full (id int primary key, n int, bio text);
alter table by_key alter bio set storage external;
alter table by_full alter bio set storage external;
alter table by_key set (toast_tuple_target = 128);
alter table by_full set (toast_tuple_target = 128);
alter table by_full replica identity full;

insert into by_key values (1, 1, repeat('toast ', 350));
insert into by_full values (1, 1, repeat('toast ', 350));
update by_key set n = 2;
update by_full set n = 2;
update by_key set bio = 'bread';
update by_full set bio = 'bread';
update by_key set n = 3;
delete from by_key;
delete from by_full;
