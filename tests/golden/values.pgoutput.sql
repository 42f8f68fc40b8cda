BEGIN; -- walcat: transaction 1, TIME
INSERT INTO public.kinds (id, big, exact, rounded, approximate, yes, word, at, local, day, clock, span, raw, doc, docb, id2, host, range, numbers, words, feeling, feelings, couple, counted) OVERRIDING SYSTEM VALUE VALUES (1, '9223372036854775807', '123456789012345678901234567890.1234567890', '1.50', '0.1', true, 'word', '2026-11-20 09:23:34.946212+00', '2026-11-20 09:23:34', '2026-11-20', '09:23:34.5', '1 year 2 days 03:04:05', E'\\x00ff', E'{"b": 1,\n "a": [1.0, 1e400, "x"], "b": 2}', '{"a": null, "b": 1}', '12345678-1234-1234-1234-123456789abc', '10.0.0.1/8', '[1,5)', '{{1,2},{3,NULL}}', E'{"a b","quo\\"te",NULL,"{}"}', 'happy', '{happy,sad}', '(1,"a ""b"" c")', '5');
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 2, TIME
INSERT INTO public.kinds (id, big, exact, rounded, approximate, yes, word, at, local, day, clock, span, raw, doc, docb, id2, host, range, numbers, words, feeling, feelings, couple, counted) OVERRIDING SYSTEM VALUE VALUES (2, -1, NULL, NULL, '1e-300', false, NULL, 'infinity', '0044-03-15 00:00:00 BC', '-infinity', NULL, NULL, NULL, NULL, '"text"', NULL, NULL, NULL, '{}', NULL, NULL, NULL, '(,)', NULL);
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 3, TIME
UPDATE public.kinds SET big = '9223372036854775807', exact = '123456789012345678901234567890.1234567890', rounded = '1.50', approximate = '0.1', yes = true, word = 'word', at = '2026-11-20 09:23:34.946212+00', local = '2026-11-20 09:23:34', day = '2026-11-20', clock = '09:23:34.5', span = '1 year 2 days 03:04:05', raw = E'\\x00ff', doc = E'{"b": 1,\n "a": [1.0, 1e400, "x"], "b": 2}', docb = '{"b": 2}', id2 = '12345678-1234-1234-1234-123456789abc', host = '10.0.0.1/8', range = '[1,5)', numbers = '[5:6]={7,8}', words = E'{"a b","quo\\"te",NULL,"{}"}', feeling = 'happy', feelings = '{happy,sad}', couple = '(1,"a ""b"" c")', counted = '5' WHERE id = 1;
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 4, TIME
UPDATE public.kinds SET big = -1, exact = NULL, rounded = NULL, approximate = '-0', yes = false, word = NULL, at = 'infinity', local = '0044-03-15 00:00:00 BC', day = '-infinity', clock = NULL, span = NULL, raw = NULL, doc = NULL, docb = '"text"', id2 = NULL, host = NULL, range = NULL, numbers = '{}', words = NULL, feeling = NULL, feelings = NULL, couple = '(,)', counted = NULL WHERE id = 2;
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 5, TIME
DELETE FROM public.kinds WHERE id = 2;
COMMIT; -- X/Y
