BEGIN; -- walcat: transaction 1, TIME
INSERT INTO public.nothing_in_it DEFAULT VALUES;
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 2, TIME
INSERT INTO public.users (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'before');
UPDATE public.users SET name = 'with extra', extra = 7 WHERE id = 1;
INSERT INTO public.users (id, full_name, extra) OVERRIDING SYSTEM VALUE VALUES (2, 'renamed', NULL);
UPDATE public.users SET full_name = 'dropped' WHERE id = 2;
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 3, TIME
INSERT INTO public.people (id, full_name) OVERRIDING SYSTEM VALUE VALUES (3, 'table renamed');
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 4, TIME
DELETE FROM public.people WHERE id = 1;
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 5, TIME
INSERT INTO public.parts_a (id, kind) OVERRIDING SYSTEM VALUE VALUES (1, 'a');
INSERT INTO public.parts_b (id, kind) OVERRIDING SYSTEM VALUE VALUES (2, 'b');
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 6, TIME
DELETE FROM public.parts_a WHERE id = 1 AND kind = 'a';
INSERT INTO public.parts_b (id, kind) OVERRIDING SYSTEM VALUE VALUES (1, 'b');
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 7, TIME
DELETE FROM public.parts_b WHERE id = 2 AND kind = 'b';
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 8, TIME
INSERT INTO public.parent (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'parent');
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 9, TIME
INSERT INTO public.child (id, name, more) OVERRIDING SYSTEM VALUE VALUES (2, 'child', 3);
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 10, TIME
UPDATE public.parent SET name = 'both' WHERE id = 1;
UPDATE public.child SET name = 'both', more = 3 WHERE id = 2;
COMMIT; -- X/Y
