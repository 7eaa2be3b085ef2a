#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What watt-formula has learned: a recording attributed in two runs gives the same watts as in one, a damaged or foreign
# state is refused and changes nothing, and a model can be carried elsewhere.
set -eu
formula=$WATT_BUILD/watt-formula
generator=$WATT_BUILD/tests/generator
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "FAILED: $*"
    exit 1
}

attribute() { # attribute INPUT OUTPUT OPTION...
    from=$1 output=$2
    shift 2
    "$formula" --post-mortem --input "jsonl:$from" --output "jsonl:$output" "$@" 2>"$folder/err" ||
        fail "watt-formula: $(cat "$folder/err")"
}

split() { # split INPUT SECONDS: the same in two runs
    rm -rf "$folder/state" "$folder/first" "$folder/second"
    mkdir "$folder/state"
    attribute "$1" "$folder/first" --state "$folder/state" --to "2026-01-01T00:0$(($2 / 60)):$(($2 % 60 / 10))$(($2 % 10)).500Z"
    attribute "$1" "$folder/second" --state "$folder/state"
    cat "$folder/first" "$folder/second" | cmp - "$folder/whole" || fail "split of $1 at $2 s gives other watts"
    test -s "$folder/first" || fail "nothing before $2 s"
    test -s "$folder/second" || fail "nothing after $2 s"
}

for scenario in churn sockets missed; do
    "$generator" --scenario $scenario --seed 5 --ticks 150 --raw "$folder/raw" --hwpc "$folder/hwpc"
    for input in raw hwpc; do
        rm -f "$folder/whole"
        attribute "$folder/$input" "$folder/whole"
        for seconds in 2 31 77; do
            split "$folder/$input" $seconds
        done
    done
done

# A damaged, cut or foreign state is refused, named, and learning starts anew.
state=$folder/state/formula-auto.state
cp "$state" "$folder/good"
for damage in flip cut empty; do
    cp "$folder/good" "$state"
    case $damage in
    flip) printf 'X' | dd of="$state" bs=1 seek=5000 conv=notrunc 2>/dev/null ;;
    cut) head -c 10000 "$folder/good" >"$state" ;;
    empty) : >"$state" ;;
    esac
    rm -f "$folder/anew"
    attribute "$folder/hwpc" "$folder/anew" --state "$folder/state"
    grep -q 'formula-auto.state.*learning anew' "$folder/err" || fail "$damage: nothing is said: $(cat "$folder/err")"
    cmp "$folder/anew" "$folder/whole" || fail "$damage: other watts than without a state"
done
head -c 10000 "$folder/good" >"$folder/cut"
"$formula" --show-model "$folder/cut" 2>"$folder/err" && fail 'a cut model is shown'
grep -q cut "$folder/err" || fail 'the cut model is not named'

# A model is shown, and gives another sensor's first tick a prediction.
attribute "$folder/raw" "$folder/anew" --save-model "$folder/model"
"$formula" --show-model "$folder/model" | grep -q 'idle .* W.*nJ' || fail 'no coefficients are shown'
sed 's/"missed/"other/g' "$folder/raw" >"$folder/raw2"
rm -f "$folder/carried"
attribute "$folder/raw2" "$folder/carried" --model-file "$folder/model"
head -n 1 "$folder/carried" | jq -e '.balance[0] | .predicted_w > 0' >/dev/null || fail 'the carried model predicts nothing'
"$formula" --post-mortem --input "jsonl:$folder/raw" --output null: --model share --model-file "$folder/model" 2>"$folder/err" &&
    fail 'a model of auto is taken for share'
grep -q "'auto'" "$folder/err" || fail "it is not said whose model it is: $(cat "$folder/err")"
echo ok
