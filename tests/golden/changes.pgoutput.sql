BEGIN; -- walcat: transaction 1, TIME
INSERT INTO public.users (id, name, born, bio) OVERRIDING SYSTEM VALUE VALUES (1, 'Ada', '1815-12-10', NULL);
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 2, TIME
INSERT INTO public.users (id, name, born, bio) OVERRIDING SYSTEM VALUE VALUES (2, 'Grace', '1906-12-09', '');
SET LOCAL client_encoding = 'UTF8';
INSERT INTO public.users (id, name, born, bio) OVERRIDING SYSTEM VALUE VALUES (3, E'it''s "quoted" \\ back\nnext line', NULL, 'ü 😀');
INSERT INTO public.tags (user_id, tag) OVERRIDING SYSTEM VALUE VALUES (1, 'maths');
INSERT INTO public.tags (user_id, tag) OVERRIDING SYSTEM VALUE VALUES (2, 'navy');
INSERT INTO public.log (line) OVERRIDING SYSTEM VALUE VALUES ('no key');
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 3, TIME
UPDATE public.users SET name = 'Ada Lovelace', born = '1815-12-10', bio = NULL WHERE id = 1;
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 4, TIME
UPDATE public.users SET id = 20, name = 'Grace', born = '1906-12-09', bio = 'moved' WHERE id = 2;
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 5, TIME
SET LOCAL client_encoding = 'UTF8';
UPDATE public.users SET name = E'it''s "quoted" \\ back\nnext line', born = NULL, bio = 'ü 😀' WHERE id = 3;
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 6, TIME
UPDATE public.tags SET tag = 'analysis' WHERE user_id = 1 AND tag = 'maths';
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 7, TIME
DELETE FROM public.users WHERE id = 3;
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 8, TIME
DELETE FROM public.tags WHERE user_id = 2 AND tag = 'navy';
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 9, TIME
INSERT INTO public.users (id, name, born, bio) OVERRIDING SYSTEM VALUE VALUES (5, 'kept', NULL, NULL);
INSERT INTO public.users (id, name, born, bio) OVERRIDING SYSTEM VALUE VALUES (7, 'kept too', NULL, NULL);
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 10, TIME
-- MESSAGE app  'within'
INSERT INTO public.users (id, name, born, bio) OVERRIDING SYSTEM VALUE VALUES (8, 'after the message', NULL, NULL);
-- MESSAGE app  E'\x00\xff'
COMMIT; -- X/Y
-- MESSAGE app  'outside'; -- X/Y
BEGIN; -- walcat: transaction 11, TIME
TRUNCATE public.tags, public.log;
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 12, TIME
TRUNCATE public.users RESTART IDENTITY CASCADE;
COMMIT; -- X/Y
