-- Types that users make: enums, domains, composites, ranges, base types, and what extensions bring.
CREATE EXTENSION hstore SCHEMA public;
CREATE EXTENSION citext SCHEMA public;
CREATE EXTENSION ltree SCHEMA public;
CREATE EXTENSION cube SCHEMA public;
CREATE EXTENSION isn SCHEMA public;
CREATE EXTENSION seg SCHEMA public;
CREATE EXTENSION intarray SCHEMA public;
CREATE EXTENSION lo SCHEMA public;
CREATE EXTENSION tablefunc SCHEMA public;
CREATE EXTENSION pg_trgm SCHEMA public;

CREATE SCHEMA v;

CREATE TYPE v.mood AS ENUM ('sad', 'ok', 'happy "!"', 'a,b {c} (d) \e', 'NULL', 'ä');
CREATE TYPE v."Odd, type [] ""x""" AS ENUM ('only');
CREATE FUNCTION v."Odd f"(v.mood) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TABLE v."Odd table" (id int);

CREATE DOMAIN v.amount AS numeric;
CREATE DOMAIN v.positive AS v.amount CHECK (VALUE > 0);
CREATE DOMAIN v.flag AS boolean;
CREATE DOMAIN v.moment AS timestamptz;
CREATE DOMAIN v.document AS jsonb;
CREATE DOMAIN v.feeling AS v.mood;
CREATE DOMAIN v.numbers AS int[];
CREATE DOMAIN v.more_numbers AS v.numbers;
CREATE DOMAIN v.amounts AS v.amount[];
CREATE DOMAIN v.list_of_numbers AS v.numbers[];
CREATE DOMAIN v.vector AS int2vector;
CREATE DOMAIN v.store AS public.hstore;
CREATE DOMAIN v.boxes AS box[];

CREATE TYPE v.pair AS (n int, t text);
CREATE DOMAIN v.any_pair AS v.pair;
CREATE TYPE v.nothing AS ();
CREATE TYPE v.single AS ("only" text);
CREATE TYPE v.nested AS (
    p v.pair, ps v.pair[], "Odd ""name""
\ ä" jsonb, j json[], a v.positive, f v.flag, m v.moment[], h public.hstore, hs public.hstore[], e v.mood[],
    b box[], i int2vector, n v.list_of_numbers, s v.single, z v.nothing, r int4range, w tsvector, x v.any_pair[]
);
CREATE DOMAIN v.any_nested AS v.nested;
CREATE TYPE v.deep AS (one v.nested, many v.any_nested[], pairs v.pair[]);
CREATE TYPE v.deeper AS (deep v.deep, deeps v.deep[]);

CREATE TYPE v.changed AS (a int, b text, c boolean);
ALTER TYPE v.changed DROP ATTRIBUTE b;
ALTER TYPE v.changed ADD ATTRIBUTE d timestamptz;
ALTER TYPE v.changed RENAME ATTRIBUTE a TO z;

CREATE TABLE v.parent (id int, gone text, name text DEFAULT 'x', twice int GENERATED ALWAYS AS (id * 2) STORED);
ALTER TABLE v.parent DROP COLUMN gone;
CREATE TABLE v.child (extra numeric) INHERITS (v.parent);
CREATE VIEW v.view AS SELECT id, name FROM v.parent;

CREATE TYPE v.words AS RANGE (SUBTYPE = text, COLLATION = "C", MULTIRANGE_TYPE_NAME = v.words_multirange);

CREATE TYPE v.piped;
CREATE FUNCTION v.piped_in(cstring) RETURNS v.piped LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION v.piped_out(v.piped) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE v.piped (INPUT = v.piped_in, OUTPUT = v.piped_out, LIKE = text, DELIMITER = '|');
CREATE DOMAIN v.piped_domain AS v.piped;

-- What the server itself makes of every change: as JSON, and each value as the output of its type.
CREATE TABLE public.expected (
    id bigint GENERATED ALWAYS AS IDENTITY, relation text, operation text,
    before json, after json, before_text json, after_text json
);
CREATE FUNCTION public.texts(id int, v anyelement) RETURNS json LANGUAGE sql AS $$
    SELECT pg_catalog.json_build_object(
        'id', id::text,
        'v', CASE pg_catalog.num_nulls(v) WHEN 0 THEN pg_catalog.format('%s', v) END
    )
$$;
CREATE FUNCTION public.expect() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before_text json;
    after_text json;
BEGIN
    IF TG_OP <> 'INSERT' THEN before_text := public.texts(OLD.id, OLD.v); END IF;
    IF TG_OP <> 'DELETE' THEN after_text := public.texts(NEW.id, NEW.v); END IF;
    INSERT INTO public.expected (relation, operation, before, after, before_text, after_text)
    VALUES (TG_TABLE_NAME, pg_catalog.lower(TG_OP), pg_catalog.row_to_json(OLD), pg_catalog.row_to_json(NEW),
            before_text, after_text);
    RETURN NULL;
END
$$;

-- Why the type does not take this literal; nothing if it does.
CREATE FUNCTION public.refusal(type text, literal text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE pg_catalog.format('SELECT CAST(%L AS %s)', literal, type);
    RETURN '';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END
$$;
