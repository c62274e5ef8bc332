"""What happens on the machine that runs a script: stage in, start, watch, stage out, report. Knows no store, no API."""
