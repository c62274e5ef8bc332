# Read by the shell peers. They get WORK, SOURCE, CHUNKS, CUT, APP, APP_PYTHON, STEPS (the folder of split.py) and CORES.
set -eu

split_input() {
    "$APP_PYTHON" "$STEPS/split.py" "$SOURCE" "$WORK/chunks" "$CHUNKS" "$CUT"
    mkdir "$WORK/results"
    (cd "$WORK/results" && indexes | xargs mkdir)
}

merge_results() {
    "$APP_PYTHON" "$STEPS/merge.py" "$WORK/results" "$WORK/totals.json"
}

indexes() {
    seq 0 $((CHUNKS - 1))
}
