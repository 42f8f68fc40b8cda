-- Names that need quotes, somewhere.
create schema "My Schema";
create table "My Schema"."a.b" (id int primary key, "select" text, "Order" text, "with ""quotes""" text, "back\slash" text);
create table "größe" ("höhe" int primary key, "😀" int);
create table "control" (id int primary key, U&"line\000Abreak" int);

insert into "My Schema"."a.b" values (1, 'a', 'b', 'c', 'd');
update "My Schema"."a.b" set "Order" = 'B';
delete from "My Schema"."a.b";
insert into "größe" values (1, 2);
insert into "control" values (1, 2);
