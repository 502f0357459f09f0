package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/replay"
)

// event is one line about the ConfigMap n: "A1" is version 1 of UID A, "-A2" its
// deletion, "A1@7" the same with the number 7, "A1/g2" in generation 2.
func event(word string) string {
	op, attributes := "updated", ""
	word, number, numbered := strings.Cut(word, "@")
	if numbered {
		attributes = fmt.Sprintf(`"term":"%020d","sequence":"%020s",`, 1, number)
	}
	word, generation, again := strings.Cut(word, "/")
	if strings.HasPrefix(word, "-") {
		op, word = "deleted", word[1:]
	}
	uid, version := word[:1], word[1:]
	id := version
	if op == "deleted" {
		id = op
	}
	if op == "deleted" && numbered {
		id = version + "/" + op
	}
	if again {
		id += "/" + generation
	}
	return fmt.Sprintf(`{"specversion":"1.0","type":"dev.fairlead.resource.%s.v1","source":"/clusters/c","subject":"/api/v1/namespaces/ns/configmaps/n","id":"/v1/configmaps/%s/%s","cluster":"c","clusteruid":"cu",%[5]s`+
		`"namespace":"ns","name":"n","resourceversion":%[4]q,"data":{"metadata":{"name":"n","namespace":"ns","uid":%[2]q,"resourceVersion":%[4]q}}}`+"\n",
		op, uid, id, version, attributes)
}

func stored(o ledger.DumpedObject) []ledger.Dump {
	return []ledger.Dump{{
		ID:      ledger.StreamID{Cluster: "c", ClusterUID: "cu", Resource: "configmaps"},
		Objects: map[ledger.Name]ledger.DumpedObject{{Namespace: "ns", Name: "n"}: o},
	}}
}

func TestCheck(t *testing.T) {
	object := func(uid string) replay.Object {
		return replay.Object{Cluster: "c", Resource: "configmaps", Namespace: "ns", Name: "n", UID: uid}
	}
	acked := func(uid, version string) []ledger.Dump {
		return stored(ledger.DumpedObject{Acked: ledger.Version{UID: uid, ResourceVersion: version}})
	}
	type want struct{ Missing, Ghosts, OutOfOrder, MissingIntents, Skipped, Replayed, Duplicates, LastRun int }
	for _, test := range []struct {
		name    string
		told    []string        // by each run
		has     [][]ledger.Dump // what each run but the first finds
		asked   bool            // the last run, for a replay
		refused string          // once, by the sink
		owed    string          // what the sink must have had before the last run
		held    string
		want    want
	}{
		{name: "the sink has what is owed", told: []string{"A1 A3", ""}, has: [][]ledger.Dump{acked("A", "3")}, owed: "2", held: "A3"},
		{name: "skipped", told: []string{"A1", "A3"}, has: [][]ledger.Dump{acked("A", "1")}, owed: "2", held: "A3", want: want{Skipped: 1, LastRun: 1}},
		{
			name: "replayed", told: []string{"A1 A2", "A2"}, has: [][]ledger.Dump{acked("A", "2")}, held: "A2",
			want: want{Replayed: 1, Duplicates: 1, LastRun: 1},
		},
		{
			name: "replayed because somebody asked", told: []string{"A1 A2", "A2"}, has: [][]ledger.Dump{acked("A", "2")}, held: "A2", asked: true,
			want: want{Duplicates: 1, LastRun: 1},
		},
		{
			name: "a dead letter was sent again", told: []string{"A1", "A2"}, has: [][]ledger.Dump{acked("A", "2")}, held: "A2", refused: "2",
			want: want{LastRun: 1},
		},
		{name: "all is well", told: []string{"A1 A2", "A3"}, has: [][]ledger.Dump{acked("A", "2")}, held: "A3", want: want{LastRun: 1}},
		{name: "missing", told: []string{"A1"}, held: "A2", want: want{Missing: 1, LastRun: 1}},
		{name: "ghost", told: []string{"A1 B2"}, held: "B2", want: want{Ghosts: 1, LastRun: 2}},
		{name: "out of order", told: []string{"A2 A1 A2"}, held: "A2", want: want{OutOfOrder: 1, Duplicates: 1, LastRun: 3}},
		{
			name: "a suffix is repeated", told: []string{"A1 A2 A3", "A2 A3"}, has: [][]ledger.Dump{acked("A", "1")}, held: "A3",
			want: want{Duplicates: 2, LastRun: 2},
		},
		{
			name: "older than what was stored", told: []string{"A1 A2", "A1 A2"}, has: [][]ledger.Dump{acked("A", "2")}, held: "A2",
			want: want{OutOfOrder: 1, Replayed: 1, Duplicates: 2, LastRun: 2},
		},
		{
			name: "older than what was stored two runs ago", told: []string{"A1 A2", "", "A1 A2"}, has: [][]ledger.Dump{acked("A", "2"), acked("A", "2")}, held: "A2",
			want: want{OutOfOrder: 1, Replayed: 1, Duplicates: 2, LastRun: 2},
		},
		{
			name: "a deletion with its version was stored", told: []string{"A1 -A2", "A1 -A2"}, has: [][]ledger.Dump{stored(ledger.DumpedObject{Deleted: "2"})},
			want: want{OutOfOrder: 1, Replayed: 1, Duplicates: 2, LastRun: 2},
		},
		{
			name: "a deletion was stored and forgotten", told: []string{"A1 -A2", "A1 -A2"}, has: [][]ledger.Dump{nil},
			want: want{OutOfOrder: 1, Replayed: 1, Duplicates: 2, LastRun: 2},
		},
		{
			name: "a deletion is replayed", told: []string{"A1 -A2", "", "-A2"}, has: [][]ledger.Dump{nil, nil},
			want: want{Replayed: 1, Duplicates: 1, LastRun: 1},
		},
		{
			name: "a deletion may not have been stored, for the ledger never knew the object", told: []string{"-A2", "A1 -A2"}, has: [][]ledger.Dump{nil},
			want: want{Duplicates: 1, LastRun: 2},
		},
		{
			name: "a deletion was not stored", told: []string{"A1 -A2", "A1 -A2"}, has: [][]ledger.Dump{stored(ledger.DumpedObject{UnackedUIDs: []string{"A"}})},
			want: want{Duplicates: 2, LastRun: 2},
		},
		{
			name: "held only", told: []string{"A1", "A1 A2"}, has: [][]ledger.Dump{stored(ledger.DumpedObject{UnackedUIDs: []string{"A"}})}, held: "A2",
			want: want{Duplicates: 1, LastRun: 2},
		},
		{
			name: "not noted", told: []string{"A1", "A1"}, has: [][]ledger.Dump{nil}, held: "A1",
			want: want{MissingIntents: 1, Duplicates: 1, LastRun: 1},
		},
		{
			name: "another UID noted", told: []string{"A1 B2", "-A2 B2"}, has: [][]ledger.Dump{acked("A", "1")}, held: "B2",
			want: want{MissingIntents: 1, Duplicates: 1, LastRun: 2},
		},
		{name: "runs that wrote nothing", told: []string{"", "", "A1", ""}, has: [][]ledger.Dump{nil, nil, acked("A", "1")}, held: "A1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var text strings.Builder
			var runs []*run
			for i, told := range test.told {
				r := &run{Offset: int64(text.Len())}
				if i > 0 {
					r.Stored = test.has[i-1]
				}
				runs = append(runs, r)
				for word := range strings.FieldsSeq(told) {
					text.WriteString(event(word))
				}
			}
			runs[len(runs)-1].Asked = map[string]bool{"c": test.asked}
			var refused []refusal
			if test.refused != "" {
				refused = append(refused, refusal{object(""), test.refused})
			}
			if test.owed != "" {
				runs[len(runs)-1].Owed = []owed{{object(""), test.owed}}
			}
			path := filepath.Join(t.TempDir(), "sink")
			// A line without an end is not accepted.
			if err := os.WriteFile(path, []byte(text.String()+`{"specversion":`), 0o600); err != nil {
				t.Fatal(err)
			}
			held := map[replay.Object]string{}
			if test.held != "" {
				held[object(test.held[:1])] = test.held[1:]
			}
			f, err := check(evidence{path: path, runs: runs, refused: refused, held: held})
			if err != nil {
				t.Fatal(err)
			}
			got := want{len(f.Missing), len(f.Ghosts), len(f.OutOfOrder), len(f.MissingIntents), len(f.Skipped), len(f.Replayed), f.Duplicates, f.LastRun}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s\n%s", diff, strings.Join(f.problems(), "\n"))
			}
		})
	}
}

func TestCheckOfWhatIsNoEvent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sink")
	if err := os.WriteFile(path, []byte(event("A1")+"{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := check(evidence{path: path, runs: []*run{{}}}); err == nil || !strings.Contains(err.Error(), "at byte") {
		t.Errorf("error %v, want one that says where", err)
	}
}

func TestWholeEvents(t *testing.T) {
	for _, test := range []struct {
		text string
		want int64
	}{
		{"", 0},
		{"{}\n", 3},
		{"{}\n{\"a", 3},   // torn, and will be removed
		{"{}\n{}", 6},     // its line end will follow
		{"{\"a\":1", 0},   // torn, and the first
		{"{}\n{}\n{}", 9}, // the same with more before
	} {
		path := filepath.Join(t.TempDir(), "sink")
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := wholeEvents(path); got != test.want || err != nil {
			t.Errorf("%q: %d, %v, want %d", test.text, got, err, test.want)
		}
	}
	if got, err := wholeEvents(filepath.Join(t.TempDir(), "none")); got != 0 || err != nil {
		t.Errorf("no file: %d, %v", got, err)
	}
}

// Each consumer is looked at, and what one makes of the events is not held against
// another.
func TestCheckConsumers(t *testing.T) {
	for _, test := range []struct {
		name, told string // "|" begins another run, "|-" one whose ledger knows nothing
		held       string
		selective  bool
		aside      bool // the cluster
		replayed   int
		want       [3]zeros
	}{
		{name: "all is well", told: "A1@2 A3@4 | A3@6 -A4@8 B5@10", held: "B5"},
		{
			name: "what was left out before a crash comes after it", told: "A1@2 A3@4 | A2@6 A3@8", held: "A3",
			want: [3]zeros{{}, {Missing: 1, OutOfOrder: 1}, {}},
		},
		{name: "a number goes back", told: "A1@4 A3@2", held: "A3", want: [3]zeros{{}, {}, {Missing: 1, OutOfOrder: 1}}},
		{name: "a deletion's number goes back", told: "A1@4 -A3@2", want: [3]zeros{{}, {}, {Ghosts: 1, OutOfOrder: 1}}},
		{
			name: "selected again", told: "A1@2 | -A9/g1@4 | A1/g2@6", held: "A1", selective: true,
		},
		{
			name: "selected again under its old id", told: "A1@2 | -A9@4 | A1@6", held: "A1", selective: true,
			want: [3]zeros{{}, {Missing: 1}, {}},
		},
		{
			name: "deleted when it was selected again, and nobody was told of that", selective: true,
			told: "A1@2 -A2@4 |- -A5@6",
		},
		{
			name: "deleted again when it was back, and the answer was lost", selective: true,
			told: "A1@2 -A2@4 |- A3@6 -A5@8 -A5@8",
		},
		{
			name: "the same deletion again", selective: true, told: "A1@2 -A2@4 |- -A2@6", replayed: 1,
		},
		{
			name: "selected again in the same run", told: "A1@2 -A9@4 A1@6", held: "A1", selective: true,
			want: [3]zeros{{OutOfOrder: 1}, {Missing: 1}, {}},
		},
		{name: "wrong", told: "A1@2", held: "B2", want: [3]zeros{{1, 1, 0}, {1, 1, 0}, {1, 1, 0}}},
		{name: "wrong, and left aside", told: "A1@2", aside: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var text strings.Builder
			runs := []*run{{}}
			for word := range strings.FieldsSeq(test.told) {
				if word == "|-" {
					runs = append(runs, &run{Offset: int64(text.Len())})
					continue
				}
				if word == "|" {
					known := stored(ledger.DumpedObject{UnackedUIDs: []string{"A", "B"}})
					runs = append(runs, &run{Offset: int64(text.Len()), Stored: known})
					continue
				}
				text.WriteString(event(word))
			}
			ev := evidence{path: filepath.Join(t.TempDir(), "sink"), runs: runs, selective: test.selective, held: map[replay.Object]string{}, clusters: []string{"c"}}
			if test.aside {
				ev.clusters = []string{"others"}
			}
			if test.held != "" {
				ev.held[replay.Object{Cluster: "c", Resource: "configmaps", Namespace: "ns", Name: "n", UID: test.held[:1]}] = test.held[1:]
			}
			if err := os.WriteFile(ev.path, []byte(text.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			for ev.seed = range uint64(10) { // so many orders
				f, err := check(ev)
				if err != nil {
					t.Fatal(err)
				}
				var got [3]zeros
				for i, of := range []*found{&f.found, &f.ByID, &f.ByNumber} {
					got[i] = zeros{len(of.Missing), len(of.Ghosts), len(of.OutOfOrder)}
				}
				if diff := cmp.Diff(test.want, got); diff != "" || len(f.Replayed) != test.replayed {
					t.Fatalf("seed %d: %s\n%s", ev.seed, diff, strings.Join(f.problems(), "\n"))
				}
			}
		})
	}
}
