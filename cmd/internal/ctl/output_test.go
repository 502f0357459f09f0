package ctl

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestForms(t *testing.T) {
	type item struct {
		A    int    `json:"a"`
		Name string `json:"name"`
	}
	items := []any{item{7, "edge-1"}, item{12, "edge-2"}}
	table := Table{
		Kind:    "cluster",
		Columns: []Column{{Name: "NAME"}, {Name: "UID", Wide: true}, {Name: "SIZE"}, {Name: "REASON"}},
		Rows:    [][]string{{"edge-1", "u-1", "900Ki", "down\x1b[2J"}, {"edge-2", "u-2", "1Mi", ""}},
		Items:   items,
	}
	object := func(items []any) any { return map[string]any{"items": items, "evil": "\x1b[2J\n"} }
	for _, test := range []struct {
		o    Output
		want string
	}{
		{Output{}, "NAME     SIZE    REASON\nedge-1   900Ki   down [2J\nedge-2   1Mi     \n"},
		{Output{format: "wide", noHeaders: true}, "edge-1   u-1   900Ki   down [2J\nedge-2   u-2   1Mi     \n"},
		{Output{noHeaders: true, sortBy: "size"}, "edge-2   1Mi     \nedge-1   900Ki   down [2J\n"},
		{Output{format: "name"}, "cluster/edge-1\ncluster/edge-2\n"},
		{Output{format: "name", sortBy: "name"}, "cluster/edge-1\ncluster/edge-2\n"},
		{Output{format: "name", sortBy: "{.a}"}, "cluster/edge-1\ncluster/edge-2\n"},
		{Output{format: "jsonpath={.items[*].name}{\"\\t\"}{.evil}"}, "edge-1 edge-2\t [2J\n"},
		{Output{format: "jsonpath={.items[?(@.a>10)].a}"}, "12"},
		{Output{format: "go-template={{range .items}}{{.a}};{{end}}{{.evil}}"}, "7;12; [2J\n"},
		{Output{format: "custom-columns=N:.name,A:{.a},X:.x"}, "N        A    X\nedge-1   7    <none>\nedge-2   12   <none>\n"},
		{Output{format: "jsonpath={.items[*].a}", sortBy: "size"}, "12 7"},
		{Output{format: "go-template={{range .items}}{{.a}};{{end}}", sortBy: "size"}, "12;7;"},
		{Output{format: "json", sortBy: "size"}, "{\n  \"evil\": \"\\u001b[2J\\n\",\n  \"items\": [\n    {\n      \"a\": 12,"},
		{Output{format: "yaml", sortBy: "size"}, "evil: \"\\e[2J\\n\"\nitems:\n- a: 12\n"},
		{Output{format: "json"}, "{\n  \"evil\": \"\\u001b[2J\\n\",\n"},
	} {
		var got strings.Builder
		if err := test.o.Print(&got, table, object); err != nil {
			t.Errorf("%+v: %v", test.o, err)
		}
		if !strings.HasPrefix(got.String(), test.want) {
			t.Errorf("%+v prints %q, want %q", test.o, got.String(), test.want)
		}
	}
	for _, bad := range []Output{
		{format: "xml"}, {format: "jsonpath"}, {format: "custom-columns"}, {format: "jsonpath={.a"}, {format: "go-template={{"}, {format: "custom-columns=N"}, {sortBy: "no-column"}, {sortBy: "{.a"},
	} {
		if err := bad.Print(&strings.Builder{}, table, object); err == nil || !strings.Contains(err.Error(), "--") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// TestHostileTexts: whatever stands in a name, a terminal is done nothing to, and programs
// read it as it is. Custom columns are whole.
func TestHostileTexts(t *testing.T) {
	const evil = "a\u009b2J\u202e\x7fb\x1b\U000e0001"
	long := strings.Repeat("e", 300)
	for format, want := range map[string]string{
		"json": `a\u009b2J\u202e\u007fb\u001b\udb40\udc01`, "yaml": "2J", "wide": "a 2J  b", "jsonpath={.name}": "a 2J  b", "custom-columns=L:.long": long,
	} {
		var got strings.Builder
		item := map[string]any{"name": evil, "long": long}
		table := Table{Columns: []Column{{Name: "NAME"}}, Rows: [][]string{{evil}}, Items: []any{item}}
		o := Output{format: format}
		if err := o.Print(&got, table, item); err != nil {
			t.Errorf("%s: %v", format, err)
		}
		if harmless(got.String()) != got.String() || !strings.Contains(got.String(), want) {
			t.Errorf("%s prints %q, want %q", format, got.String(), want)
		}
		var back map[string]any
		if format == "json" {
			if err := json.Unmarshal([]byte(got.String()), &back); err != nil || back["name"] != evil {
				t.Errorf("%q is read as %q, %v", got.String(), back["name"], err)
			}
		}
	}
}

func TestMagnitudes(t *testing.T) {
	// From what is shown first to what is shown last.
	for _, column := range [][]string{
		{"12", "9.5", "0", "-"}, {"3d4h", "26h", "5m3s", "1.2s", "340ms", "0s", "-"}, {"1.5Gi", "200Mi", "3Ki", "12"},
		{"100%", "7%", "0%"}, {"10/12", "2/2"}, {"alpha", "beta"},
	} {
		for i := range len(column) - 1 {
			if compareCells(column[i], column[i+1]) <= 0 {
				t.Errorf("%s does not come before %s", column[i], column[i+1])
			}
		}
	}
}

func TestShortDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 340*time.Millisecond + 123: "340ms", 1234 * time.Millisecond: "1.2s", 303 * time.Second: "5m3s",
		4*time.Hour + 12*time.Minute + 9*time.Second: "4h12m", 76 * time.Hour: "3d4h", 700 * time.Hour: "29d", 2 * time.Hour: "2h0m",
	} {
		if got := short(d); got != want {
			t.Errorf("%v is shown as %s, want %s", d, got, want)
		}
	}
}

// A terminal is drawn over, and never gets more lines than it shows.
func TestScreen(t *testing.T) {
	var got strings.Builder
	s := &screen{to: &got, size: func() (int, int) { return 16, 5 }}
	for _, frame := range []string{"a\nb\n", "1\n2 and far more than fits\n3\n4\n5\n6\nsum\n"} {
		if err := s.draw(frame); err != nil {
			t.Fatal(err)
		}
	}
	want := "\x1b[2J\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J" + "\x1b[H1\x1b[K\n2 and far more t\x1b[K\n... 4 lines more\x1b[K\nsum\x1b[K\n\x1b[J"
	if got.String() != want {
		t.Errorf("drawn %q, want %q", got.String(), want)
	}
}
