#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The real watt-formula: what it does with good, bad and half-good input, how it ends, and that a service which starts
# again attributes nothing twice.
set -eu
formula=$WATT_BUILD/watt-formula
trace=tests/fixtures/smartwatts-timeline/smartwatts_timeline.jsonl
folder=$(mktemp -d)
pid=
trap 'test -z "$pid" || kill "$pid" 2>/dev/null; rm -rf "$folder"' EXIT

fail() {
    echo "FAILED: $*"
    exit 1
}

expect() { # expect STATUS WORD COMMAND...: exits with STATUS and says WORD
    wanted=$1 word=$2
    shift 2
    status=0
    "$@" >"$folder/out" 2>"$folder/err" || status=$?
    test "$status" = "$wanted" || fail "exit $status instead of $wanted: $* ($(cat "$folder/err"))"
    grep -q -e "$word" "$folder/err" "$folder/out" || fail "'$word' is not said: $* ($(cat "$folder/err"))"
}

expect 64 'bogus' "$formula" --bogus
expect 64 'null' "$formula" --post-mortem --input null: --output null:
expect 64 'powerapi' "$formula" --post-mortem --input "jsonl:$trace" --output mongodb://127.0.0.1:1/db --schema powerapi
expect 64 'static' "$formula" --post-mortem --input "jsonl:$trace" --output null: --static apart
expect 64 'label' "$formula" --post-mortem --input "jsonl:$trace" --output null: --label 'a/b'
expect 64 'input' "$formula" --input '' --output null:
expect 64 'model' "$formula" --post-mortem --input "jsonl:$trace" --output null: --model ''
expect 69 'no-such-file' "$formula" --post-mortem --input jsonl:/no-such-file --output null:

# Bad lines are named, good reports still used; nothing but bad ones is exit 65.
printf '{"timestamp":17\n[1]\nnot json\n' >"$folder/bad.jsonl"
expect 65 'bad.jsonl:2' "$formula" --post-mortem --input "jsonl:$folder/bad.jsonl" --output null:
cat "$folder/bad.jsonl" "$trace" >"$folder/mixed.jsonl"
expect 0 '40 reports, 10 ticks' "$formula" --post-mortem --input "jsonl:$folder/mixed.jsonl" --output null:

# Post-mortem is repeatable byte for byte, and PowerReports close: targets + unattributed = rapl.
"$formula" --quiet --post-mortem --input "jsonl:$trace" --output "jsonl:$folder/a.jsonl"
"$formula" --quiet --post-mortem --input "jsonl:$trace" --output "jsonl:$folder/b.jsonl"
cmp "$folder/a.jsonl" "$folder/b.jsonl" || fail 'two replays differ'
test "$(wc -l <"$folder/a.jsonl")" = 10 || fail 'not ten records'
# A pipe ends where its writer does, also without a last newline, and a signal ends the wait for one.
head -c -1 "$trace" | timeout 20 "$formula" --quiet --input jsonl:- --output "jsonl:$folder/c.jsonl" || fail "exit $? at the end of a pipe"
cmp "$folder/a.jsonl" "$folder/c.jsonl" || fail 'a pipe gives other watts than the file'
mkfifo "$folder/pipe"
"$formula" --post-mortem --input "jsonl:$folder/pipe" --output "jsonl:$folder/d.jsonl" 2>"$folder/err" &
pid=$!
exec 3>"$folder/pipe"
cat "$trace" >&3
until grep -q _id "$folder/d.jsonl" 2>/dev/null; do
    timeout 0.1 tail -f /dev/null || true # a pause
    cat "$trace" >&3
done
kill -TERM "$pid"
timeout 20 tail --pid="$pid" -f /dev/null || fail 'SIGTERM does not end the wait for a pipe'
status=0
wait "$pid" || status=$?
test $status = 75 || fail "exit $status instead of 75 when interrupted"
grep -q 'interrupted.*run it again' "$folder/err" || fail "it is not said that it was interrupted: $(cat "$folder/err")"
pid=
exec 3>&-

"$formula" --quiet --post-mortem --schema powerapi --input "jsonl:$trace" --output "jsonl:$folder/p.jsonl"
jq -es 'group_by(.timestamp + .metadata.scope) | length >= 10 and all(
    (map(select(.target == "rapl").power) | add) as $rapl
    | (map(select(.target != "rapl" and .target != "global").power) | add) - $rapl | fabs < 1e-6)' \
    "$folder/p.jsonl" >/dev/null || fail 'PowerReports do not add up'

# A service follows, ends on SIGTERM with 0, and goes on where it stopped.
cp "$trace" "$folder/live.jsonl"
follow() { # follow TICKS: until the output holds so many records
    "$formula" --quiet --wait 1 --input "jsonl:$folder/live.jsonl" --output "jsonl:$folder/watts.jsonl" &
    pid=$!
    tries=0
    until test "$(cat "$folder/watts.jsonl" 2>/dev/null | wc -l)" -ge "$1"; do
        tries=$((tries + 1))
        test $tries -lt 200 || fail "no $1 records of watts"
        kill -0 "$pid" 2>/dev/null || fail 'the service ended by itself'
        timeout 0.1 tail -f /dev/null || true # a pause
    done
    kill -TERM "$pid"
    status=0
    wait "$pid" || status=$?
    pid=
    test $status = 0 || fail "exit $status on SIGTERM"
}
follow 9
sed 's/2021-01-13T09:51/2021-01-13T09:52/' "$trace" >>"$folder/live.jsonl"
follow 19
test "$(jq -r ._id "$folder/watts.jsonl" | sort | uniq -d | wc -l)" = 0 || fail 'a tick was attributed twice'
test "$(wc -l <"$folder/watts.jsonl")" = 19 || fail 'ticks are missing'

# Another attribution of the same recording stands beside the first, never over it; the same label again changes nothing.
tool=$WATT_BUILD/tests/copy_store
for uri in "sqlite:$folder/beside" "jsonl:$folder/beside.jsonl"; do
    "$formula" --quiet --post-mortem --input "jsonl:$trace" --output "$uri"
    "$tool" "$uri" "jsonl:$folder/before.jsonl"
    "$formula" --quiet --post-mortem --input "jsonl:$trace" --output "$uri" --model share --label by-time
    "$formula" --quiet --post-mortem --input "jsonl:$trace" --output "$uri" --model smartwatts --label by-clock
    "$tool" "$uri" "jsonl:$folder/after.jsonl"
    jq -c 'select(.label == "auto")' "$folder/after.jsonl" | cmp - <(jq -c . "$folder/before.jsonl") || fail "$uri: another label changed the first"
    test "$(jq -r .label "$folder/after.jsonl" | sort | uniq -c | tr -s ' ' ' ' | tr '\n' ';')" = ' 10 auto; 10 by-clock; 10 by-time;' ||
        fail "$uri: three attributions do not stand side by side"
    rm -f "$folder"/before.jsonl "$folder"/after.jsonl
done
"$formula" --post-mortem --input "jsonl:$trace" --output "sqlite:$folder/beside" --model share --label auto 2>"$folder/err"
grep -q "10 records.*label 'auto'.*stay" "$folder/err" || fail "it is not said that nothing was stored: $(cat "$folder/err")"
"$tool" "sqlite:$folder/beside" "jsonl:$folder/after.jsonl"
jq -c 'select(.label == "auto") | .model' "$folder/after.jsonl" | grep -q share && fail 'the same label again changed what was there'

# A file of JSON lines has no ids: the same ticks again change nothing, later ones are added, earlier ones refused, whatever the schema.
middle=$(jq -r 'select(.target == "all") | .timestamp' "$trace" | sed -n 5p)
for schema in native powerapi; do
    once=(--post-mortem --input "jsonl:$trace" --schema $schema)
    "$formula" --quiet "${once[@]}" --output "jsonl:$folder/once.$schema"
    cp "$folder/once.$schema" "$folder/again.$schema"
    "$formula" "${once[@]}" --output "jsonl:$folder/again.$schema" --model auto 2>"$folder/err"
    cmp "$folder/once.$schema" "$folder/again.$schema" || fail "$schema: the same ticks again stand twice"
    grep -q '10 records.*stay' "$folder/err" || fail "$schema: it is not said that nothing was stored: $(cat "$folder/err")"
    "$formula" --quiet "${once[@]}" --to "$middle" --output "jsonl:$folder/rest.$schema"
    "$formula" "${once[@]}" --output "jsonl:$folder/rest.$schema" 2>"$folder/err"
    cmp "$folder/once.$schema" "$folder/rest.$schema" || fail "$schema: the rest is not what was missing"
    "$formula" --quiet "${once[@]}" --from "$middle" --output "jsonl:$folder/late.$schema"
    cp "$folder/late.$schema" "$folder/kept"
    status=0
    "$formula" "${once[@]}" --output "jsonl:$folder/late.$schema" 2>"$folder/err" || status=$?
    test $status = 64 || fail "$schema: ticks before those of the file end with $status"
    grep -q 'holds later watts' "$folder/err" || fail "$schema: it is not said what is wrong: $(cat "$folder/err")"
    cmp "$folder/late.$schema" "$folder/kept" || fail "$schema: what was refused changed the file"
done
"$formula" --quiet --post-mortem --input "jsonl:$trace" --output "jsonl:/dev/stdout" | cmp - "$folder/once.native" || fail 'a pipe is not written to'

# Where what is learned cannot be kept is known before hours of learning.
for option in --state="$folder/nowhere" --save-model="$folder/nowhere/model"; do
    "$formula" --post-mortem --input "jsonl:$trace" --output "jsonl:$folder/too-late.jsonl" "$option" 2>"$folder/err" && fail "$option is taken"
    grep -q 'nowhere.*cannot be written' "$folder/err" || fail "$option: $(cat "$folder/err")"
    test ! -s "$folder/too-late.jsonl" || fail "$option is refused when everything is done"
done
echo ok
