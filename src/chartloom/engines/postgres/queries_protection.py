"""SQL that looks at roles, privileges and policies, by name; see ``protection.py``."""

from __future__ import annotations

#: Name, whether it may log in, whether it has a right that none of ours has.
ROLES = """
SELECT rolname, rolcanlogin,
       rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole OR rolreplication OR rolinherit
       OR EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid)
FROM pg_roles r WHERE rolname = ANY(%b::text[])"""

MAY_MAKE_ROLES = "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"

IS_MEMBER = "SELECT pg_has_role(current_user, %s, 'USAGE')"

VERIFIER = "SELECT rolpassword FROM pg_authid WHERE rolname = %s"

KEYS_PUT = """
INSERT INTO access_secret AS s
    (claim_inner, claim_outer, session_inner, session_outer) VALUES (%b, %b, %b, %b)
ON CONFLICT (one) DO UPDATE
SET claim_inner = excluded.claim_inner, claim_outer = excluded.claim_outer
WHERE (s.claim_inner, s.claim_outer) <> (excluded.claim_inner, excluded.claim_outer)"""

#: Tables, partitions and sequences: name, kind, what it is part of, owner, whether it is secured.
RELATIONS = """
SELECT c.relname, CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END,
       coalesce(parent.relname, whole.relname, CASE c.relname WHEN 'shard' THEN 'site' END, ''),
       pg_get_userbyid(c.relowner), c.relrowsecurity
FROM pg_class c
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class parent ON parent.oid = i.inhparent
LEFT JOIN pg_depend d ON c.relkind = 'S' AND d.classid = 'pg_class'::regclass AND d.objid = c.oid
    AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
LEFT JOIN pg_class whole ON whole.oid = d.refobjid
WHERE c.relkind IN ('r', 'p', 'S') AND c.relnamespace = 'public'::regnamespace
ORDER BY c.relname"""

#: Table, policy, whether it is for every command and role, its conditions, its mark.
POLICIES = """
SELECT c.relname, p.polname,
       p.polcmd = '*' AND p.polpermissive AND p.polroles = '{0}',
       concat_ws(' / ', pg_get_expr(p.polqual, p.polrelid),
           pg_get_expr(p.polwithcheck, p.polrelid)),
       obj_description(p.oid, 'pg_policy')
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
WHERE c.relnamespace = 'public'::regnamespace ORDER BY c.relname, p.polname"""

#: What our roles and everybody may do with anything that holds rows, outside the system's schemas.
PRIVILEGES = """
WITH relation AS (
    SELECT c.oid, c.relname, c.relkind, c.relowner, c.relacl FROM pg_class c
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
), entry AS (
    SELECT relname, '' AS attname, a.grantee, a.privilege_type
    FROM relation, aclexplode(relacl) a
    UNION ALL
    SELECT relname, t.attname, a.grantee, a.privilege_type
    FROM relation r JOIN pg_attribute t ON t.attrelid = r.oid, aclexplode(t.attacl) a
)
SELECT relname, attname, CASE grantee WHEN 0 THEN 'everybody' ELSE pg_get_userbyid(grantee) END,
       privilege_type
FROM entry
WHERE grantee = 0 OR pg_get_userbyid(grantee) = ANY(%(roles)b::text[])"""

#: Functions that are ours or that act as our owner: name, owner, who may call them.
FUNCTIONS = """
SELECT p.proname, pg_get_userbyid(p.proowner),
       (SELECT array_agg(DISTINCT
            CASE a.grantee WHEN 0 THEN 'everybody' ELSE pg_get_userbyid(a.grantee)::text END)
        FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a)
FROM pg_proc p
WHERE p.pronamespace = 'public'::regnamespace
    AND (pg_get_userbyid(p.proowner) = %(owner)s OR p.prosecdef)
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"""

SIGNATURES = """
SELECT p.proname, pg_get_function_identity_arguments(p.oid) FROM pg_proc p
WHERE p.pronamespace = 'public'::regnamespace AND p.proname = ANY(%b::text[])"""

#: Where one of our roles could make something, in words.
CREATORS = """
SELECT format('%%s may make things in schema %%s', r.rolname, n.nspname)
FROM pg_roles r CROSS JOIN pg_namespace n
WHERE r.rolname = ANY(%(roles)b::text[]) AND has_schema_privilege(r.oid, n.oid, 'CREATE')
UNION ALL
SELECT format('%%s may make temporary tables or schemas', r.rolname)
FROM pg_roles r
WHERE r.rolname = ANY(%(roles)b::text[])
    AND has_database_privilege(r.oid, current_database(), 'TEMPORARY, CREATE')"""
