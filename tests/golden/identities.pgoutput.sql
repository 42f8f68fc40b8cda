BEGIN; -- walcat: transaction 1, TIME
INSERT INTO public.by_default (id, a, b) OVERRIDING SYSTEM VALUE VALUES (1, 'one', 1);
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 2, TIME
INSERT INTO public.by_full (id, a, b) OVERRIDING SYSTEM VALUE VALUES (1, 'one', 1);
INSERT INTO public.by_full (id, a, b) OVERRIDING SYSTEM VALUE VALUES (2, NULL, NULL);
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 3, TIME
INSERT INTO public.by_index (id, a, b) OVERRIDING SYSTEM VALUE VALUES (1, 'one', 1);
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 4, TIME
INSERT INTO public.keyless (a, b) OVERRIDING SYSTEM VALUE VALUES ('one', 1);
INSERT INTO public.keyless (a, b) OVERRIDING SYSTEM VALUE VALUES (NULL, NULL);
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 5, TIME
INSERT INTO public.by_nothing (id, a) OVERRIDING SYSTEM VALUE VALUES (1, 'only inserts can be told');
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 6, TIME
UPDATE public.by_default SET a = 'one', b = 2 WHERE id = 1;
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 7, TIME
UPDATE public.by_default SET id = 2, a = 'one', b = 2 WHERE id = 1;
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 8, TIME
UPDATE public.by_full AS target SET b = 2 FROM (SELECT tableoid, ctid FROM public.by_full WHERE id = 1 AND a = 'one' AND b = 1 LIMIT 1) AS one WHERE target.tableoid = one.tableoid AND target.ctid = one.ctid;
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 9, TIME
UPDATE public.by_full AS target SET id = 3, a = 'no longer null' FROM (SELECT tableoid, ctid FROM public.by_full WHERE id = 2 AND a IS NULL AND b IS NULL LIMIT 1) AS one WHERE target.tableoid = one.tableoid AND target.ctid = one.ctid;
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 10, TIME
-- UPDATE public.by_full changes nothing
-- UPDATE public.by_full changes nothing
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 11, TIME
UPDATE public.by_index SET id = 1, b = 2 WHERE a = 'one';
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 12, TIME
UPDATE public.by_index SET id = 1, a = 'two', b = 2 WHERE a = 'one';
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 13, TIME
UPDATE public.by_index SET id = 2, b = 2 WHERE a = 'two';
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 14, TIME
UPDATE public.keyless AS target SET b = 2 FROM (SELECT tableoid, ctid FROM public.keyless WHERE a = 'one' AND b = 1 LIMIT 1) AS one WHERE target.tableoid = one.tableoid AND target.ctid = one.ctid;
-- UPDATE public.keyless changes nothing
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 15, TIME
DELETE FROM public.by_default WHERE id = 2;
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 16, TIME
DELETE FROM public.by_full AS target USING (SELECT tableoid, ctid FROM public.by_full WHERE id = 1 AND a = 'one' AND b = 2 LIMIT 1) AS one WHERE target.tableoid = one.tableoid AND target.ctid = one.ctid;
DELETE FROM public.by_full AS target USING (SELECT tableoid, ctid FROM public.by_full WHERE id = 3 AND a = 'no longer null' AND b IS NULL LIMIT 1) AS one WHERE target.tableoid = one.tableoid AND target.ctid = one.ctid;
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 17, TIME
DELETE FROM public.by_index WHERE a = 'two';
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 18, TIME
DELETE FROM public.keyless AS target USING (SELECT tableoid, ctid FROM public.keyless WHERE a = 'one' AND b = 2 LIMIT 1) AS one WHERE target.tableoid = one.tableoid AND target.ctid = one.ctid;
DELETE FROM public.keyless AS target USING (SELECT tableoid, ctid FROM public.keyless WHERE a IS NULL AND b IS NULL LIMIT 1) AS one WHERE target.tableoid = one.tableoid AND target.ctid = one.ctid;
COMMIT; -- X/Y
