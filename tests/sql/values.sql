-- Values of many types, as JSON and as text.
create type mood as enum ('sad', 'happy');
create type pair as (a int, b text);
create domain positive as int check (value > 0);
create table kinds (
    id int primary key, big bigint, exact numeric, rounded numeric(6,2), approximate double precision, yes boolean,
    word varchar(20), at timestamptz, local timestamp, day date, clock time, span interval,
    raw bytea, doc json, docb jsonb, id2 uuid, host inet, range int4range,
    numbers int[], words text[], feeling mood, feelings mood[], couple pair, counted positive);

insert into kinds values (
    1, 9223372036854775807, 123456789012345678901234567890.1234567890, 1.5, 0.1, true,
    'word', '2026-11-20 09:23:34.946212+00', '2026-11-20 09:23:34', '2026-11-20', '09:23:34.5', '1 year 2 days 03:04:05',
    '\x00ff', '{"b": 1,
 "a": [1.0, 1e400, "x"], "b": 2}', '{"b": 1, "a": null}', '12345678-1234-1234-1234-123456789abc', '10.0.0.1/8', '[1,5)',
    '{{1,2},{3,null}}', '{"a b","quo\"te",null,"{}"}', 'happy', '{happy,sad}', '(1,"a ""b"" c")', 5);
insert into kinds (id, big, approximate, yes, at, local, day, docb, numbers, couple) values (
    2, -1, '1e-300', false, 'infinity', '0044-03-15 00:00:00 BC', '-infinity', '"text"', '{}', '(,)');
update kinds set docb = '{"b": 2}', numbers = '[5:6]={7,8}' where id = 1;
update kinds set approximate = '-0' where id = 2;
delete from kinds where id = 2;
