-- Rows whose values and names are made to break out of a statement.
INSERT INTO kinds (id, small, big, exact, rounded, single, double, yes, word, fixed, letter, name, text) VALUES
    (1, -32768, -9223372036854775808, 'NaN', 1.5, 'NaN', '-Infinity', true, 'it''s', 'ab', 'x', 'a name', E'two\nlines\r\t\\ ''quoted'' "double"'),
    (2, 32767, 9223372036854775807, 1e200, -0.001, 1.1, 1.1, false, '\', '', '', '', ''),
    (3, 0, 0, 1.50, 0, '-0', 1e-300, NULL, 'C:\new', 'a  b', '''', '''', E'\u2028\u202e\u0001\u007f;-- $$ \\u0041'),
    (-4, 1, -1, 'Infinity', 99999.999, 3.4e38, 'Infinity', true, 'ä😀', 'ü', '\', '\', repeat('''\', 5000));
INSERT INTO kinds (id, at, local, day, clock, zoned, span, times) VALUES
    (10, '2026-11-20 09:23:34.946212+05:30', '2026-11-20 09:23:34', '0044-03-15 BC', '24:00', '09:23:34-03', '-1 year -2 mons +3 days -04:05:06.789',
     '{"2026-11-20 09:23:34+02",NULL,infinity}'),
    (11, 'infinity', '-infinity', 'infinity', '00:00', '00:00+14', '1 mon', '{}'),
    (12, '0044-03-15 12:00 BC', '294276-12-31 23:59:59.999999', '-infinity', '12:00', NULL, '30 days', NULL);
INSERT INTO kinds (id, raw, doc, docb, markup, uid, host, net, mac, bits, more) VALUES
    (20, '\x00ff275c', E'{"b" : "it''s \\\\ \\n",\n "a": [1.0, 1e400], "b": 2}', '{"a": "\\"}', '<a b="''">\</a>', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
     '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', B'1010', B'1'),
    (21, '', 'null', 'null', '', NULL, '::1', '::/0', NULL, B'0000', B'');
INSERT INTO kinds (id, spot, shape, area, ring, way, line, words, search, oid, kind, pos, cash, snapshot) VALUES
    (30, '(1,2)', '((0,0),(1,1),(2,0))', '((0,0),(1,1))', '<(1,2),3>', '[(0,0),(1,1)]', '[(0,0),(1,1)]', '''it''''s'':1 b\\', 'fox & !''do''''g''', 4294967295,
     'pg_class', '16/B374D848', '12.34', '10:20:10,14');
INSERT INTO kinds (id, numbers, grid, texts, feeling, feelings, couple, couples, deep, short, counted, counts) VALUES
    (40, '[0:1]={1,NULL}', '{{1.0,2.50},{NaN,0}}', '{"a b","quo\"te''\\",NULL,"NULL","{}"}', 'it''s ok', '{sad,"C:\\happy"}', '(1,"a ""b"" \\ c''")',
     ARRAY[ROW(1, 'x'), ROW(NULL, '')]::pair[], ROW(ARRAY[ROW(1, 'y')]::pair[], '{"a" : 1}', '2026-11-20 09:23:34+00'), 'ab', 5, '{1,2}');
INSERT INTO kinds (id, within, while, days, many, odd, vector) VALUES
    (50, '[1,5)', '["2026-11-20 09:23:34+00",infinity)', '(,2026-01-01)', '{[1,3),[5,)}', 'B c', '1 2 3'),
    (51, 'empty', '(,)', 'empty', '{}', 'a', '');
INSERT INTO full_kinds SELECT * FROM kinds UNION ALL SELECT * FROM kinds;
UPDATE kinds SET text = 'another ''\', yes = NOT yes, docb = '{"b": 1}', grid = NULL WHERE id < 30;
UPDATE kinds SET id = id + 1000 WHERE id IN (1, 20, 40);
DELETE FROM kinds WHERE id IN (2, 1020, 51);
UPDATE full_kinds SET word = word || '!', doc = '{"new" : "\\"}' WHERE ctid IN (SELECT min(ctid) FROM full_kinds GROUP BY id);
UPDATE full_kinds SET couple = '(2,"\\")', while = NULL, spot = '(3,4)' WHERE id >= 20;
DELETE FROM full_kinds WHERE ctid IN (SELECT min(ctid) FROM full_kinds GROUP BY id);
INSERT INTO "a ""schema"" \"."; drop table kinds; --" VALUES ('''; drop table kinds; --', '\''; drop table kinds; --', E'\n\\', 'ü'), ('\', '', NULL, '');
UPDATE "a ""schema"" \"."; drop table kinds; --" SET "a
b" = 'changed', "ü'" = '''';
UPDATE "a ""schema"" \"."; drop table kinds; --" SET "; drop table kinds; --" = '\''' WHERE "a\b" IS NULL;
DELETE FROM "a ""schema"" \"."; drop table kinds; --" WHERE "a\b" IS NOT NULL;
INSERT INTO always (number, text) VALUES (1, 'one'), (2, 'two'), (3, 'three');
INSERT INTO always (id, number) OVERRIDING SYSTEM VALUE VALUES (77, 77);
UPDATE always SET text = 'changed', number = number + 10;
DELETE FROM always WHERE number = 12;
INSERT INTO by_default (text) VALUES ('a'), ('b');
UPDATE by_default SET id = id + 100, text = 'ä';
INSERT INTO by_index VALUES (1, 'sad', 'x'), (2, 'it''s ok', NULL), (3, 'C:\happy', 'z');
UPDATE by_index SET c = 'changed' WHERE a < 3;
UPDATE by_index SET b = 'sad' WHERE a = 3;
DELETE FROM by_index WHERE a = 2;
INSERT INTO by_pair VALUES ('(1,"''\\")', 'a'), ('(2,)', 'b');
UPDATE by_pair SET text = 'c';
DELETE FROM by_pair WHERE (key).number = 1;
INSERT INTO by_number VALUES (1.10, 'a'), ('NaN', 'b'), (2, 'c');
UPDATE by_number SET text = 'd', key = key + 1;
UPDATE by_number SET text = 'e';
INSERT INTO equals SELECT i % 2, 1.0, NULL, '{}' FROM generate_series(1, 6) AS i;
INSERT INTO equals VALUES (1, 1.00, NULL, '{}'), (1, 1.0, '', '{ }'), (NULL, NULL, NULL, NULL);
UPDATE equals SET c = 'one of them' WHERE ctid = (SELECT max(ctid) FROM equals WHERE a = 1 AND b::text = '1.0' AND c IS NULL);
DELETE FROM equals WHERE ctid = (SELECT min(ctid) FROM equals WHERE a = 0);
DELETE FROM equals WHERE b::text = '1.00';
DELETE FROM equals WHERE a IS NULL;
INSERT INTO without_columns DEFAULT VALUES;
INSERT INTO without_columns DEFAULT VALUES;
INSERT INTO toasted VALUES (1, repeat('''\', 3000), 'a'), (2, 'short', 'b');
UPDATE toasted SET other = 'left alone';
UPDATE toasted SET id = id + 10;
UPDATE toasted SET long = long || '!' WHERE id = 11;
INSERT INTO toasted_full SELECT * FROM toasted;
UPDATE toasted_full SET other = 'again';
DELETE FROM toasted_full WHERE id = 12;
INSERT INTO parts VALUES (1, 'a', 'x'), (1, 'b', 'y'), (2, 'a', NULL);
UPDATE parts SET text = 'z' WHERE id = 1;
UPDATE parts SET kind = 'b' WHERE id = 2;
DELETE FROM parts WHERE id = 1 AND kind = 'a';
INSERT INTO parent VALUES (1), (2);
INSERT INTO child VALUES (1, 1), (2, 2);
DELETE FROM child WHERE id = 1;
DELETE FROM parent WHERE id = 1;
INSERT INTO wide (c1, c2, c1600) VALUES (1, 2, 1600), (2, NULL, NULL);
UPDATE wide SET c1600 = c1, c700 = 7;
DELETE FROM wide WHERE c1 = 2;
INSERT INTO keywords ("values", "between", "time", "select", "user", "interval") VALUES ('a', 'b', 'c', 'd', 'e', 'f'), ('\', '''', '', NULL, NULL, NULL);
UPDATE keywords SET "order" = 'x', "row" = 'y', "array" = 'z', "exists" = '';
UPDATE keywords SET "time" = 'later' WHERE "values" = 'a';
DELETE FROM keywords WHERE "values" = '\';
BEGIN;
INSERT INTO by_default (text) VALUES ('prepared');
SAVEPOINT one;
INSERT INTO by_default (text) VALUES ('void');
ROLLBACK TO one;
UPDATE by_default SET text = 'twice' WHERE text = 'prepared';
COMMIT;
