# xargs, one process a core.
. "$(dirname "$0")/steps.sh"
split_input
indexes | xargs -P "$CORES" -I '{}' \
    env TASK_DIR="$WORK/chunks/{}" TASK_RESULTS_DIR="$WORK/results/{}" "$APP_PYTHON" "$APP"
merge_results
