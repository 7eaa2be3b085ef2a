//go:build tools

// SPDX-License-Identifier: BSD-3-Clause

// Package ferretdb only names the program that start.sh builds, so that go.mod and go.sum pin it.
package ferretdb

import _ "github.com/FerretDB/FerretDB/cmd/ferretdb"
