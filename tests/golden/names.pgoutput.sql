BEGIN; -- walcat: transaction 1, TIME
INSERT INTO "My Schema"."a.b" (id, "select", "Order", "with ""quotes""", "back\slash") OVERRIDING SYSTEM VALUE VALUES (1, 'a', 'b', 'c', 'd');
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 2, TIME
UPDATE "My Schema"."a.b" SET "select" = 'a', "Order" = 'B', "with ""quotes""" = 'c', "back\slash" = 'd' WHERE id = 1;
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 3, TIME
DELETE FROM "My Schema"."a.b" WHERE id = 1;
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 4, TIME
SET LOCAL client_encoding = 'UTF8';
INSERT INTO public."größe" ("höhe", "😀") OVERRIDING SYSTEM VALUE VALUES (1, 2);
COMMIT; -- X/Y
BEGIN; -- walcat: transaction 5, TIME
INSERT INTO public.control (id, U&"line\000abreak") OVERRIDING SYSTEM VALUE VALUES (1, 2);
COMMIT; -- X/Y
