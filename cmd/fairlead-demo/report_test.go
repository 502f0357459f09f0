package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/replay"
)

// The sink of these tests was told of version 5 of n with UID A, then of 7.
var told = []string{
	`{"specversion":"1.0","type":"dev.fairlead.resource.added.v1","source":"/clusters/c","subject":"/api/v1/configmaps/n","id":"/v1/configmaps/A/5","cluster":"c","name":"n","resourceversion":"5",` +
		`"data":{"metadata":{"name":"n","uid":"A","resourceVersion":"5"}}}`,
	`{"specversion":"1.0","type":"dev.fairlead.resource.updated.v1","source":"/clusters/c","subject":"/api/v1/configmaps/n","id":"/v1/configmaps/A/7","cluster":"c","name":"n","resourceversion":"7",` +
		`"data":{"metadata":{"name":"n","uid":"A","resourceVersion":"7"}}}`,
}

func TestCheck(t *testing.T) {
	a := replay.Object{Cluster: "c", Resource: "configmaps", Name: "n", UID: "A"}
	b := replay.Object{Cluster: "c", Resource: "configmaps", Name: "m", UID: "B"}
	for _, test := range []struct {
		name  string
		lines []string
		held  map[replay.Object]string
		want  result
		words string
	}{
		{
			name: "equal", lines: told, held: map[replay.Object]string{a: "7"},
			want:  result{Objects: 1, Delivered: 2},
			words: "nothing missing, no ghosts, nothing out of order",
		},
		{
			name: "missing", lines: told, held: map[replay.Object]string{a: "7", b: "6"},
			want:  result{Objects: 2, Delivered: 2, Missing: 1},
			words: "missing 1, ghosts 0, out of order 0",
		},
		{
			name: "latest version missing", lines: told[:1], held: map[replay.Object]string{a: "7"},
			want:  result{Objects: 1, Delivered: 1, Missing: 1},
			words: "missing 1, ghosts 0, out of order 0",
		},
		{
			name: "ghost", lines: told,
			want:  result{Delivered: 2, Ghosts: 1},
			words: "missing 0, ghosts 1, out of order 0",
		},
		{
			name: "out of order", lines: []string{told[1], told[0], told[1]}, held: map[replay.Object]string{a: "7"},
			want:  result{Objects: 1, Delivered: 3, OutOfOrder: 1},
			words: "missing 0, ghosts 0, out of order 1",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sink")
			if err := os.WriteFile(path, []byte(strings.Join(test.lines, "\n")+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			v, err := check(path, test.held)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, v.result); diff != "" {
				t.Error(diff)
			}
			bad := test.want.Missing+test.want.Ghosts+test.want.OutOfOrder > 0
			if errors.Is(v.err(), errNotEqual) != bad || (len(v.wrong) > 0) != bad {
				t.Errorf("error is %v, wrong is %q", v.err(), v.wrong)
			}
			if v.words() != test.words {
				t.Errorf("in words: %q", v.words())
			}
		})
	}
}

func TestCheckOfWhatIsNoSink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sink")
	if _, err := check(path, nil); err == nil {
		t.Error("no error from a file that is not there")
	}
	if err := os.WriteFile(path, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := check(path, nil); err == nil {
		t.Error("no error from a line that is no event")
	}
}

func TestVerdictListsTheFirstFew(t *testing.T) {
	var v verdict
	v.list("ghost", make([]string, 12))
	if len(v.wrong) != 11 || v.wrong[10] != "ghost: and 2 more" {
		t.Errorf("%q", v.wrong)
	}
}

func TestLine(t *testing.T) {
	r := result{Clusters: 3, Objects: 509, Changes: 8730, Delivered: 3766, QuietP99: new(32.9)}
	got, err := lab.Line(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"clusters":3,"objects":509,"changes":8730,"delivered":3766,"missing":0,"ghosts":0,"out_of_order":0,` +
		`"quiet_p99_ms":32.9,"flooding_p99_ms":null}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
