# GNU parallel with its job log, one job a core.
. "$(dirname "$0")/steps.sh"
split_input
indexes | parallel -j "$CORES" --joblog "$WORK/joblog" \
    TASK_DIR="$WORK/chunks/{}" TASK_RESULTS_DIR="$WORK/results/{}" "$APP_PYTHON" "$APP"
merge_results
