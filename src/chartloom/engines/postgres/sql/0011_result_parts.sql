-- Results that are reported together stand in one part of a chart (chart/panels.py). Views and
-- states made before know other parts, so everything derived is derived again, as a rebuild does.
TRUNCATE outcome, bundle, resource, view, person, record_number, link, identifier, care,
         person_label, feed_minute_out, issue_day, retry;
UPDATE feed_total SET
    applied_count = 0, quarantined_count = 0, issue_count = 0, last_event_us = 0;
UPDATE lane SET cursor = 0;
UPDATE log_head SET generation = generation + 1, replay_until = position WHERE position > 0;
