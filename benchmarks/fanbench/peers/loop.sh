# A plain loop: one chunk after the other.
. "$(dirname "$0")/steps.sh"
split_input
for index in $(indexes); do
    TASK_DIR="$WORK/chunks/$index" TASK_RESULTS_DIR="$WORK/results/$index" "$APP_PYTHON" "$APP"
done
merge_results
