#!/bin/sh
# Compresses one chunk. gzip files put behind each other are one gzip file, so the parts in chunk order are the whole.
set -eu

# Params arrive as JSON, {"level": 9}. The schema lets nothing but a digit through.
level=$(printf '%s' "$APP_PARAMS" | sed -n 's/.*"level"[[:space:]]*:[[:space:]]*\([1-9]\).*/\1/p')

# -n: no name and no time in the result, so that the same chunk always gives the same bytes.
gzip -n -c "-${level:-6}" "$TASK_DIR/data.bin" > "$TASK_RESULTS_DIR/part.gz"
