package ctl

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	table := Table{
		Columns: []Column{{Name: "NAME"}, {Name: "UID", Wide: true}, {Name: "REASON"}},
		Rows:    [][]string{{"edge-1", "u-1", "down\x1b[2J"}},
	}
	for format, want := range map[string]string{
		"":     "NAME     REASON\nedge-1   down [2J\n",
		"wide": "NAME     UID   REASON\nedge-1   u-1   down [2J\n",
		"json": "{\n  \"a\": 1\n}\n",
		"yaml": "a: 1\n",
	} {
		var got strings.Builder
		if err := (&Output{format: format}).Print(&got, table, map[string]int{"a": 1}); err != nil || got.String() != want {
			t.Errorf("-o %s prints %q, %v; want %q", format, got.String(), err, want)
		}
	}
	if err := (&Output{format: "xml"}).Print(&strings.Builder{}, table, nil); err == nil || !strings.Contains(err.Error(), "json") {
		t.Errorf("-o xml: %v", err)
	}
}
