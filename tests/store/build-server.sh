#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Makes the server that the tests of the mongodb store need, unless another one is named.
set -euo pipefail
[ -z "${WATT_TEST_MONGODB_URI:-}" ] || exit 0
exec "$(dirname "$0")/server.sh" build
