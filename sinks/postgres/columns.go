package postgres

import (
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// row is a change on its way into tables.
type row struct {
	*pipeline.Change
	object  []byte // nil: none
	altered bool   // object is not as it was delivered
	last    bool   // of its key in the batch
}

// column is one of the arrays of which a batch consists.
type column struct {
	name, sqlType  string
	oid            uint32 // of the array
	state, history bool   // it is one of that table's columns
	put            func(a *array, r *row)
}

// Types of arrays, as in PostgreSQL's pg_type.dat.
const (
	jsonArray, boolArray, textArray, int8Array, timeArray, jsonbArray = 199, 1000, 1009, 1016, 1185, 3807
)

func text(name string, state, history bool, value func(*row) string) column {
	return column{name, "text", textArray, state, history, func(a *array, r *row) { a.text(value(r)) }}
}

func number(name string, value func(*row) uint64) column {
	return column{name, "bigint", int8Array, true, true, func(a *array, r *row) { a.int8(int64(value(r))) }}
}

func flag(name string, state, history bool, value func(*row) bool) column {
	return column{name, "boolean", boolArray, state, history, func(a *array, r *row) { a.bool(value(r)) }}
}

// columnsOf returns the arrays for these tables.
func columnsOf(tables Tables, exact bool) []column {
	jsonType, jsonOID, version := "jsonb", uint32(jsonbArray), "\x01"
	if exact {
		jsonType, jsonOID, version = "json", jsonArray, ""
	}
	all := []column{
		text("cluster", true, true, func(r *row) string { return r.Key.Cluster }),
		text("resource", true, true, func(r *row) string { return r.Key.Resource }),
		text("namespace", true, true, func(r *row) string { return r.Key.Namespace }),
		text("name", true, true, func(r *row) string { return r.Key.Name }),
		text("cluster_uid", true, true, func(r *row) string { return r.Origin.ClusterUID }),
		text("uid", true, true, func(r *row) string { return string(r.UID) }),
		text("api_version", true, true, func(r *row) string { return r.Origin.Resource.GroupVersion().String() }),
		text("kind", true, true, func(r *row) string { return r.Origin.Kind }),
		text("resource_version", true, true, func(r *row) string { return r.ResourceVersion }),
		number("term", func(r *row) uint64 { return r.Origin.Term }),
		number("sequence", func(r *row) uint64 { return r.Sequence }),
		{"observed", "timestamptz", timeArray, true, true, func(a *array, r *row) { a.time(r.Observed) }},
		{"object", jsonType, jsonOID, true, true, func(a *array, r *row) { a.bytes(version, r.object) }},
		flag("altered", true, true, func(r *row) bool { return r.altered }),
		text("id", false, true, func(r *row) string { return r.ID() }),
		flag("snapshot", false, true, func(r *row) bool { return r.Snapshot }),
		flag("tombstone", false, true, func(r *row) bool { return r.Tombstone }),
		text("op", false, true, func(r *row) string { return r.Op.String() }), // state has it as deleted_at
	}
	var used []column
	for _, c := range all {
		if c.state && tables.state() || c.history && tables.history() {
			used = append(used, c)
		}
	}
	if tables.state() {
		used = append(used, flag("deleted", false, false, func(r *row) bool { return r.Op == pipeline.Deleted }))
	}
	if tables == Both {
		used = append(used, flag("last", false, false, func(r *row) bool { return r.last }))
	}
	return used
}

// names joins the columns of a table with commas, each after a prefix.
func names(columns []column, in func(column) bool, prefix string) string {
	var all []string
	for _, c := range columns {
		if in(c) {
			all = append(all, prefix+c.name)
		}
	}
	return strings.Join(all, ", ")
}

func inState(c column) bool   { return c.state }
func inHistory(c column) bool { return c.history }

// epoch is where PostgreSQL's times begin.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
