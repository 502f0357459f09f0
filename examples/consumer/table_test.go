package main

import (
	"fmt"
	"strings"
	"testing"
)

// event writes an event about the ConfigMap n: its UID, and the version, or "-"
// for a deletion.
func event(cluster, uid, version string) string {
	if version == "-" {
		return fmt.Sprintf(`{"specversion":"1.0","type":"dev.fairlead.resource.deleted.v1","source":"/clusters/%s","id":"/v1/configmaps/%s/deleted","cluster":%[1]q,"name":"n"}`, cluster, uid)
	}
	return fmt.Sprintf(`{"specversion":"1.0","type":"dev.fairlead.resource.added.v1","source":"/clusters/%s","id":"/v1/configmaps/%s/%s",`+
		`"cluster":%[1]q,"name":"n","resourceversion":%[3]q,"data":{"metadata":{"uid":%[2]q}}}`, cluster, uid, version)
}

func TestTableIsRightUnderRepeats(t *testing.T) {
	for _, tc := range []struct {
		name   string
		events []string // cluster uid version
		want   string   // what each changed
		rows   string   // cluster uid version of what is left
	}{
		{"a life", []string{"a U 1", "a U 2", "a U -"}, "created changed gone", ""},
		{"repeats", []string{"a U 1", "a U 1", "a U 2", "a U 1", "a U 2"}, "created  changed changed changed", "a U 2"},
		{"a deletion twice", []string{"a U 1", "a U -", "a U -"}, "created gone ", ""},
		{"a crash repeats a life", []string{"a U 1", "a U -", "a U 1", "a U -"}, "created gone created gone", ""},
		{"the name is taken again", []string{"a U 1", "a U -", "a V 5"}, "created gone created", "a V 5"},
		{"a late repeat of the first one's deletion", []string{"a U 1", "a U -", "a V 5", "a U -"}, "created gone created ", "a V 5"},
		{"two clusters with one UID", []string{"a U 1", "b U 1", "a U -"}, "created created gone", "b U 1"},
		{"never told of", []string{"a U -"}, "", ""},
	} {
		table := NewTable()
		var did, rows []string
		for _, words := range tc.events {
			w := strings.Fields(words)
			e, err := Parse([]byte(event(w[0], w[1], w[2])))
			if err != nil {
				t.Fatal(err)
			}
			did = append(did, table.Apply(e))
		}
		for _, r := range table.Rows() {
			rows = append(rows, strings.TrimPrefix(r.Source, "/clusters/")+" "+r.UID+" "+r.ResourceVersion)
		}
		if strings.Join(did, " ") != tc.want || strings.Join(rows, ", ") != tc.rows {
			t.Errorf("%s: %q leaves %q, want %q and %q", tc.name, did, rows, tc.want, tc.rows)
		}
	}
}

func TestTheVersionOfTheAPIIsNotTheObjects(t *testing.T) {
	table := NewTable()
	for _, id := range []string{"ex.io/v1beta1/things/U/1", "ex.io/v1/things/U/1"} {
		e, err := Parse(fmt.Appendf(nil, `{"specversion":"1.0","type":"dev.fairlead.resource.added.v1","source":"/clusters/a","id":%q,"name":"n","resourceversion":"1"}`, id))
		if err != nil {
			t.Fatal(err)
		}
		table.Apply(e)
	}
	if rows := table.Rows(); len(rows) != 1 || rows[0].Resource != "things.ex.io" {
		t.Errorf("rows %v, want one", rows)
	}
}

// Some aggregated APIs give their objects no UIDs.
func TestObjectsWithoutUID(t *testing.T) {
	table := NewTable()
	apply := func(kind, name string) {
		t.Helper()
		e, err := Parse(fmt.Appendf(nil, `{"specversion":"1.0","type":"dev.fairlead.resource.%s.v1","source":"/clusters/a","id":"ex.io/v1/things//1","name":%q,"resourceversion":"1"}`, kind, name))
		if err != nil {
			t.Fatal(err)
		}
		table.Apply(e)
	}
	apply("added", "n")
	apply("added", "m")
	apply("deleted", "m")
	if rows := table.Rows(); len(rows) != 1 || rows[0].Name != "n" {
		t.Errorf("rows %v, want n alone", rows)
	}
}

func TestWhatIsNoEvent(t *testing.T) {
	for _, line := range []string{
		"", "{", "[]", `{"specversion":"0.3","source":"a","id":"a/b/c/d/e","name":"n"}`,
		`{"specversion":"1.0","id":"a/b/c/d/e","name":"n"}`, `{"specversion":"1.0","source":"a","id":"a/b/c/d","name":"n"}`,
	} {
		if e, err := Parse([]byte(line)); err == nil {
			t.Errorf("%s is the event %+v", line, e)
		}
	}
}
