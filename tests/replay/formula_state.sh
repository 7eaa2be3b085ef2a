#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What watt-formula has learned: a recording attributed in pieces gives the same watts as in one run, whatever the model and wherever
# it is cut, also by a signal; a damaged or foreign state is refused and changes nothing; a model can be shown and carried
# elsewhere.
set -euo pipefail
formula=$WATT_BUILD/watt-formula
generator=$WATT_BUILD/tests/generator
folder=$(mktemp -d)
pid=
trap 'test -z "$pid" || kill "$pid" 2>/dev/null; rm -rf "$folder"' EXIT

fail() {
    echo "FAILED: $*"
    exit 1
}

attribute() { # attribute INPUT OUTPUT OPTION...
    local from=$1 output=$2
    shift 2
    "$formula" --post-mortem --input "jsonl:$from" --output "jsonl:$output" "$@" 2>"$folder/err" ||
        fail "watt-formula: $(cat "$folder/err")"
}

said() { # said WORDS: on standard error
    grep -q -e "$1" "$folder/err" || fail "'$1' is not said: $(cat "$folder/err")"
}

stamp_of() { # stamp_of SECONDS: of the generated streams
    date -u -d "@$((1767225600 + $1))" +%Y-%m-%dT%H:%M:%S.500Z
}

pieces() { # pieces INPUT "SECONDS..." OPTION...: the same as in $folder/whole, run by run
    local input=$1 cuts=$2 seconds
    shift 2
    rm -rf "$folder/state" "$folder/cut"
    mkdir "$folder/state"
    for seconds in $cuts; do
        attribute "$input" "$folder/cut" --state "$folder/state" --to "$(stamp_of "$seconds")" "$@"
    done
    test "${cuts##* }" -le "$lag_s" || test -s "$folder/cut" || fail "$*: nothing before $cuts s"
    attribute "$input" "$folder/cut" --state "$folder/state" "$@"
    cmp "$folder/cut" "$folder/whole" || fail "$* on ${input##*/}: cut at $cuts s it gives other watts"
}

all_pieces() { # all_pieces INPUT OPTION...: several ways to cut it
    local input=$1 cuts
    shift
    rm -f "$folder/whole"
    attribute "$input" "$folder/whole" "$@"
    for cuts in "${all_cuts[@]}"; do
        pieces "$input" "$cuts" "$@"
    done
}

lag_s=1 # so long nothing is said
# Saving and loading is the same code wherever a recording is cut: the sanitizers see it with fewer cuts.
scenarios=(churn sockets missed)
all_cuts=(1 2 77 '20 21 22 119')
if grep -q '^WATT_SANITIZE:.*=.' "$WATT_BUILD/CMakeCache.txt"; then
    scenarios=(sockets missed)
    all_cuts=('1 21 119')
fi
for scenario in "${scenarios[@]}"; do
    "$generator" --scenario $scenario --seed 5 --ticks 120 --raw "$folder/raw" --hwpc "$folder/hwpc"
    for input in raw hwpc; do
        all_pieces "$folder/$input" --model share
        all_pieces "$folder/$input" --model smartwatts
        all_pieces "$folder/$input" --model auto
    done
    lag_s=6 # as SmartWatts itself
    all_pieces "$folder/hwpc" --model smartwatts --no-close --cpu-base-freq=2600
    lag_s=1
done

# An old sensor's cumulative times: the first tick's interval is told by the second, which the first piece does not have.
sed 's/"time_enabled":[0-9.]*/"time_enabled":9e15/g' "$folder/hwpc" >"$folder/cumulative"
all_pieces "$folder/cumulative" --model share

# Energy that comes every third tick, for the three: what was counted for it is kept.
jq -c 'if .kind == "raw" and .seq % 3 != 2 then .energy[] |= {domain, package, source, valid: false, reason: "no_update"}
    elif .kind == "raw" then .energy[] |= (.dt_ns *= 3 | .energy_uj *= 3) else . end' "$folder/raw" >"$folder/held"
for model in share smartwatts auto; do
    all_pieces "$folder/held" --model $model
done

# A gap makes ticks wait; a host record that comes meanwhile holds for none of them.
sed '/"kind":"raw".*"seq":60,/d' "$folder/raw" >"$folder/gap"
host=$(head -n 1 "$folder/raw" | jq -c '.seq = 63 | ._id = "missed:019b76daa800:00000000003f:host"
    | .timestamp = "2026-01-01T00:01:30.000Z" | .packages[0].max_w = 1')
stamp=$(jq -r 'select(.kind == "raw" and .seq == 63) | .timestamp' "$folder/raw")
HOST=${host/2026-01-01T00:01:30.000Z/$stamp} awk '/"kind":"raw"/ && /"seq":63,/ { print ENVIRON["HOST"] } { print }' "$folder/gap" >"$folder/gap-host"
rm -f "$folder/whole"
attribute "$folder/gap-host" "$folder/whole" --model share
for seq in 61 62 63; do
    stamp=$(jq -r "select(.kind == \"raw\" and .seq == $seq) | .timestamp" "$folder/raw")
    rm -rf "$folder/state" "$folder/cut"
    mkdir "$folder/state"
    attribute "$folder/gap-host" "$folder/cut" --model share --state "$folder/state" --to "$stamp"
    attribute "$folder/gap-host" "$folder/cut" --model share --state "$folder/state"
    cmp "$folder/cut" "$folder/whole" || fail "cut before tick $seq, behind a gap, it gives other watts"
done
jq -se 'map(select(.kind == "power")) | (map(select(.seq == 62)) | first.balance[0].idle_w) > 2
    and (map(select(.seq == 63)) | first.balance[0].reason) == "absurd_energy"' "$folder/whole" >/dev/null ||
    fail 'a host record does not hold from its tick on'

# A signal in the midst of a recording: it is told, and the next run goes on as if nothing had been.
attribute "$folder/raw" "$folder/full" --model auto
mkdir "$folder/interrupted"
mkfifo "$folder/pipe"
"$formula" --post-mortem --input "jsonl:$folder/pipe" --output "jsonl:$folder/parts" --state "$folder/interrupted" 2>"$folder/err" &
pid=$!
exec 3>"$folder/pipe"
head -n 150 "$folder/raw" >&3
line=150
until grep -q _id "$folder/parts" 2>/dev/null; do
    kill -0 "$pid" || fail "it ended by itself: $(cat "$folder/err")"
    timeout 0.1 tail -f /dev/null || true # a pause
    line=$((line + 1))
    sed -n "${line}p" "$folder/raw" >&3
done
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
pid=
exec 3>&-
test $status = 75 || fail "exit $status instead of 75 when interrupted: $(cat "$folder/err")"
said 'interrupted.*goes on from here'
attribute "$folder/raw" "$folder/parts" --state "$folder/interrupted"
cmp "$folder/parts" "$folder/full" || fail 'interrupted by a signal it gives other watts'

# A service that is killed at any moment, twice: what it had stored but not yet saved is learned again and not attributed again.
"$generator" --scenario missed --seed 6 --ticks 700 --raw "$folder/long"
attribute "$folder/long" "$folder/uncut" --model auto
mkdir "$folder/killed"
: >"$folder/live"
n_lines=0
for until in 340 380 700; do
    "$formula" --quiet --input "jsonl:$folder/live" --output "sqlite:$folder/killed/watts" --state "$folder/killed" 2>"$folder/err" &
    pid=$!
    n_lines=$(awk -v n=$until '/"kind":"raw"/ { n-- } { print } n == 0 { exit }' "$folder/long" | wc -l)
    head -n "$n_lines" "$folder/long" | tail -n +$(($(wc -l <"$folder/live") + 1)) >>"$folder/live"
    tries=0
    until "$WATT_BUILD/tests/copy_store" "sqlite:$folder/killed/watts" "jsonl:$folder/stored" 2>/dev/null &&
        test "$(grep -c '"kind":"power"' "$folder/stored")" -ge $((until - 2)) && test -s "$folder/killed/formula-auto.state"; do
        rm -f "$folder/stored"
        tries=$((tries + 1))
        test $tries -lt 300 || fail "no $((until - 2)) records of watts"
        kill -0 "$pid" || fail "it ended by itself: $(cat "$folder/err")"
        timeout 0.1 tail -f /dev/null || true # a pause
    done
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null || true
    pid=
    head -n "$(wc -l <"$folder/stored")" "$folder/uncut" | cmp - "$folder/stored" || fail "killed after $until ticks it gives other watts"
    rm "$folder/stored"
done

# A damaged, cut or foreign state is refused, named, and learning starts anew.
rm -f "$folder/whole"
attribute "$folder/hwpc" "$folder/whole"
pieces "$folder/hwpc" 31
state=$folder/state/formula-auto.state
cp "$state" "$folder/good"
for damage in flip cut empty version; do
    cp "$folder/good" "$state"
    case $damage in
    flip) printf 'X' | dd of="$state" bs=1 seek=5000 conv=notrunc 2>/dev/null ;;
    cut) head -c 10000 "$folder/good" >"$state" ;;
    empty) : >"$state" ;;
    version) LC_ALL=C sed 's/\x10v\x00\x03/\x10v\x00\x02/' "$folder/good" >"$state" ;;
    esac
    rm -f "$folder/anew"
    attribute "$folder/hwpc" "$folder/anew" --state "$folder/state"
    said 'formula-auto.state.*learning anew'
    cmp "$folder/anew" "$folder/whole" || fail "$damage: other watts than without a state"
done
head -c 10000 "$folder/good" >"$folder/cut"
"$formula" --show-model "$folder/cut" 2>"$folder/err" && fail 'a cut model is shown'
said cut

# So is one of another CPU, of other events, of other options: what follows is as without it.
foreign() { # foreign WORDS SED-EXPRESSION INPUT OPTION...: the state of INPUT is of no use to INPUT changed
    local words=$1 change=$2 input=$3
    shift 3
    rm -rf "$folder/state" "$folder/anew" "$folder/expected"
    mkdir "$folder/state"
    attribute "$input" "$folder/anew" --state "$folder/state" "$@"
    sed "$change" "$input" >"$folder/changed"
    attribute "$folder/changed" "$folder/expected" "$@"
    rm "$folder/anew"
    attribute "$folder/changed" "$folder/anew" --state "$folder/state" "$@"
    said "$words.*learning anew"
    cmp "$folder/anew" "$folder/expected" || fail "$words: other watts than without a state"
}
later='s/019b76daa800/019b76dab800/g; s/2026-01-01T/2026-01-02T/g'
for model in auto share smartwatts; do
    foreign 'its CPU is generated (generated)' 's/"name":"generated"/"name":"another"/' "$folder/raw" --model $model
    foreign 'its CPU is generated (generated)' "s/\"name\":\"generated\"/\"name\":\"another\"/; $later" "$folder/raw" --model $model
    foreign 'its events are' "s/llc_misses/branches/g; $later" "$folder/raw" --model $model
    foreign 'events are missing and others came' "s/LLC_MISSES/BRANCHES/g; $later" "$folder/hwpc" --model $model
done
attribute "$folder/raw" "$folder/anew" --model smartwatts --save-model "$folder/model"
for option in --no-close --learn-history-window-size=40; do
    "$formula" --post-mortem --input "jsonl:$folder/raw" --output null: --model smartwatts --model-file "$folder/model" $option 2>"$folder/err" || true
    said 'learned w'
done

# A model is shown with its machine, its span, its drift and its coefficients.
for model in auto share smartwatts; do
    attribute "$folder/raw" "$folder/anew" --model $model --save-model "$folder/model-$model"
    "$formula" --show-model "$folder/model-$model" >"$folder/out"
    for words in "model $model" 'sensor missed.*generated.*; events: cpu_ns cycles' '2026-01-01T00:0.*to 2026-01-01T00:0' \
        'drift [-+][0-9.]* W' 'idle .* W.*nJ'; do
        grep -q -e "$words" "$folder/out" || fail "$model: '$words' is not shown: $(cat "$folder/out")"
    done
done

# It gives another sensor's first tick a prediction, unless the machine is another.
sed 's/"missed/"other/g' "$folder/raw" >"$folder/raw2"
for model in auto share smartwatts; do
    rm -f "$folder/carried"
    attribute "$folder/raw2" "$folder/carried" --model $model --model-file "$folder/model-$model"
    head -n 30 "$folder/carried" | jq -se 'map(.balance[0].predicted_w > 0) | any' >/dev/null || fail "the carried model $model predicts nothing"
done
sed 's/"name":"generated"/"name":"another"/' "$folder/raw2" >"$folder/raw3"
rm -f "$folder/carried"
attribute "$folder/raw3" "$folder/expected3"
status=0
"$formula" --post-mortem --input "jsonl:$folder/raw3" --output "jsonl:$folder/carried" --model-file "$folder/model-auto" 2>"$folder/err" || status=$?
test $status = 65 || fail "exit $status when no sensor could use the model file"
said "sensor 'other': the model file is refused: its CPU is"
cmp "$folder/carried" "$folder/expected3" || fail 'a refused model changes watts'
"$formula" --post-mortem --input "jsonl:$folder/raw" --output null: --model share --model-file "$folder/model-auto" 2>"$folder/err" &&
    fail 'a model of auto is taken for share'
said "'auto'"

# A machine that measures nothing, as a virtual one, has the watts that its host's model says: estimates, without idle.
sed 's/"energy":\[[^]]*\]/"energy":[]/' "$folder/raw2" >"$folder/guest"
sed 's/"energy":\[[^]]*\]/"energy":[{"domain":"machine","source":"curve","dt_ns":1000000000,"energy_uj":5000000,"low_uj":1,"high_uj":9000000,"estimate":true,"valid":true}]/' \
    "$folder/raw2" >"$folder/guest-curve"
for model in auto share; do
    rm -f "$folder/carried" "$folder/guest.power"
    attribute "$folder/raw2" "$folder/carried" --model $model --model-file "$folder/model-$model"
    for guest in guest guest-curve; do
        rm -f "$folder/guest.power"
        attribute "$folder/$guest" "$folder/guest.power" --model $model --model-file "$folder/model-$model"
        jq -se --slurpfile host "$folder/carried" 'def watts: map(.targets[] | select(.domain == "package") | .dynamic_w) | add;
            all(.valid and (.targets | length > 0) and (.balance | length == 2) and (.balance[] | .estimate and .reason == "modelled"
                and (has("measured_w") or has("idle_w") or has("unattributed_w") | not) and .dynamic_w >= 0))
            and watts / ($host | watts) > 0.8 and watts / ($host | watts) < 1.25' "$folder/guest.power" >/dev/null ||
            fail "$guest: the model file of $model gives no watts, or others than on a machine that measures"
        "$WATT_BUILD/watt" show --store "jsonl:$folder/guest.power" --format json | jq -e '[.. | objects | select(has("row"))] |
            (map(select(.row == "attributed")) | length > 0 and all(.energy_j > 0 and .mean_w > 0))
            and (map(select(.row == "measured" or .row == "idle")) | length > 0 and all(.energy_j == null))' >/dev/null ||
            fail "$guest: watt show does not tell attributed watts from measured ones"
    done
done
"$formula" --post-mortem --input "jsonl:$folder/guest" --output "jsonl:$folder/guest.none" 2>"$folder/err"
jq -se 'all(.targets == [] and (.valid | not) and .reasons == ["no_energy"])' "$folder/guest.none" >/dev/null || fail 'without a model file there are watts'
echo ok
