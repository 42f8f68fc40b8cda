-- What the server sends of old rows, for each replica identity.
create table by_default (id int primary key, a text, b int);
create table by_full (id int primary key, a text, b int);
alter table by_full replica identity full;
create table by_index (id int primary key, a text not null unique, b int);
alter table by_index replica identity using index by_index_a_key;
create table keyless (a text, b int);
alter table keyless replica identity full;
create table by_nothing (id int primary key, a text);
alter table by_nothing replica identity nothing;

insert into by_default values (1, 'one', 1);
insert into by_full values (1, 'one', 1), (2, null, null);
insert into by_index values (1, 'one', 1);
insert into keyless values ('one', 1), (null, null);
insert into by_nothing values (1, 'only inserts can be told');

update by_default set b = 2;
update by_default set id = 2;
update by_full set b = 2 where id = 1;
update by_full set id = 3, a = 'no longer null' where id = 2;
update by_full set a = a;
update by_index set b = 2;
update by_index set a = 'two';
update by_index set id = 2;
update keyless set b = b + 1;

delete from by_default;
delete from by_full;
delete from by_index;
delete from keyless;
