-- Poll of `sgascope bench`: PostgreSQL's own view of what its backends do.
SELECT * FROM pg_stat_activity;
