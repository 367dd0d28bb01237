-- Records are found by more keys, and what is alike in two persons is judged by other rules: a given
-- name that nobody said, one mistyped before the same second name, a child that goes by its mother's
-- name. States tell more directions apart. A person decided by the rules of before may be another one by those of now: everything derived
-- is derived again, as 0050 does. What was withheld holds meanwhile (0030).
DO $$
BEGIN
    IF EXISTS (SELECT FROM outcome) THEN
        PERFORM FROM lane ORDER BY lane FOR UPDATE;  -- first, as batches in flight and rebuild do
        PERFORM hold_facts();
        TRUNCATE care, resource, outcome, bundle, view, person, record_number, link, identifier,
                 person_label, label_word, feed_minute_out, issue_day, retry,
                 match_record, match_key, identity_decision, identity_review, membership,
                 overlay_stop, unknown_reference, identity_total, identity_spoken,
                 match_stale, match_due, match_afresh
        RESTART IDENTITY;
        UPDATE feed_total SET
            applied_count = 0, quarantined_count = 0, issue_count = 0, last_event_us = 0;
        UPDATE lane SET cursor = 0;
        UPDATE log_head SET generation = generation + 1, replay_until = position;
    END IF;
END
$$;
