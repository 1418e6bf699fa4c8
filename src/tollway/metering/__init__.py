"""From the spool to the ledger: ingestion, rollups, reports and telemetry, away from the calls themselves."""
