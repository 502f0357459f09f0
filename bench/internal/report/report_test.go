package report

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

func parsed(t *testing.T) *Runs {
	t.Helper()
	raw, err := os.Open("testdata/raw.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	runs, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return runs
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; go test -update writes it anew):\n%s", file, diff)
	}
}

func TestMarkdown(t *testing.T) {
	reasons, err := ParseReasons("# a comment\n\nQueue clusters=1000/waiting=0 fairlead ns/op workqueue: It counts by cluster.\n")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	err = parsed(t).Markdown(&b, Info{
		Facts: []Fact{{"Machine", "one"}, {"Date", "2026-01-02"}}, Reasons: reasons, PlotDir: "plots", RawFile: "raw.txt", TablesFile: "tables.txt",
	})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "report.md", b.Bytes())
	// Whatever the golden file says: no goal is dropped.
	for _, w := range rows {
		if !strings.Contains(b.String(), "## "+w.title+"\n") {
			t.Errorf("there is nothing about %s", w.benchmark)
		}
		for _, g := range w.goals {
			if n := strings.Count(b.String(), "| "+g.says+" |"); n != len(g.cases) {
				t.Errorf("%q is judged %d times, want %d", g.says, n, len(g.cases))
			}
		}
	}
	if !strings.Contains(b.String(), "widgets/op") {
		t.Error("a benchmark without a row is dropped")
	}
}

func TestNothingMeasured(t *testing.T) {
	runs, err := Parse(strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range rows {
		for _, j := range runs.judgeAll(w) {
			if j.verdict != NotMeasured {
				t.Errorf("%s: %s", j.id, j.verdict)
			}
		}
	}
	var b bytes.Buffer
	for _, file := range Plots() {
		if err := runs.Plot(&b, file, Themes[0]); err != nil {
			t.Error(err)
		}
	}
	if n := strings.Count(b.String(), "not measured"); n != 3+2*len(cpuImpls)+8*len(sinkImpls)+2*len(heapImpls) {
		t.Errorf("%d bars not measured", n)
	}
}

func TestPlots(t *testing.T) {
	runs := parsed(t)
	for _, file := range Plots() {
		for _, theme := range Themes {
			var b bytes.Buffer
			if err := runs.Plot(&b, file, theme); err != nil {
				t.Fatal(err)
			}
			golden(t, file+"-"+theme.Name+".svg", b.Bytes())
		}
	}
	if err := runs.Plot(&bytes.Buffer{}, "none", Themes[0]); err == nil {
		t.Error("a plot that does not exist was drawn")
	}
}

func TestJudge(t *testing.T) {
	runs := parsed(t)
	for _, test := range []struct {
		benchmark string
		labels    string
		goal      goal
		want      Verdict
	}{
		{"Queue", "clusters=1/waiting=0", goal{unit: "ns/op", peer: "workqueue", most: 1}, Met},
		{"Queue", "clusters=1/waiting=0", goal{unit: "ns/op", peer: "priorityqueue", most: 1.0 / 8}, Missed},
		{"Queue", "clusters=1/waiting=0", goal{unit: "ns/op", peer: "nobody", most: 1}, NotMeasured},
		{"Queue", "clusters=1/waiting=0", goal{unit: "ns/op", impl: "nobody", peer: "workqueue", most: 1}, NotMeasured},
		{"Queue", "clusters=1/waiting=0", goal{unit: "allocs/op", most: 0}, Met},
		{"Queue", "clusters=1/waiting=0", goal{unit: "allocs/op", impl: "workqueue", most: 0}, Missed},
		{"Queue", "clusters=2/waiting=0", goal{unit: "allocs/op", most: 0}, NotMeasured},
		{"SnapshotPeak", "", goal{unit: "peak-B", limitUnit: "limit-B"}, Met},
		{"StalledSink", "", goal{unit: "growth-B", limitUnit: "limit-B"}, Missed},
		{"StalledSink", "", goal{unit: "growth-B", limitUnit: "none"}, NotMeasured},
	} {
		if got := runs.judge(test.benchmark, test.goal, test.labels); got.verdict != test.want {
			t.Errorf("%s %s %+v: %s, want %s", test.benchmark, test.labels, test.goal, got.verdict, test.want)
		}
	}
}

func TestSummarize(t *testing.T) {
	for _, test := range []struct {
		samples []float64
		want    Summary
	}{
		{nil, Summary{}},
		{[]float64{3}, Summary{3, 3, 3, 1, false}},
		{[]float64{5, 1, 2, 3, 4}, Summary{3, 1, 5, 5, false}},
		{[]float64{6, 1, 2, 3, 4, 5}, Summary{3.5, 1, 6, 6, true}},
		// Of nine the outermost do not count: 2×(1+9)/512 is below 5%.
		{[]float64{9, 1, 2, 3, 4, 5, 6, 7, 8}, Summary{5, 2, 8, 9, true}},
	} {
		if diff := cmp.Diff(test.want, summarize(test.samples)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.samples, diff)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, test := range []struct {
		v    float64
		unit string
		want string
	}{
		{219.3, "ns/op", "219 ns"}, {2066942, "p99-ns", "2.07 ms"}, {3.259e9, "p99-ns", "3.26 s"}, {18000, "cpu-ns/event", "18 µs"},
		{1e7, "cpu-ns/s", "10 ms/s"}, {99.5, "B/object", "99.5 B"}, {3400, "B/object", "3.32 KiB"}, {20971520, "limit-B", "20 MiB"},
		{0.049, "worst-share", "4.9%"}, {0, "allocs/op", "0"}, {2.5, "goroutines/stream", "2.5"}, {1234567, "changes/s", "1234567"},
		{0.00431, "lists/op", "0.00431"}, {64 << 10, "B/stream", "64 KiB"},
	} {
		if got := format(test.v, test.unit); got != test.want {
			t.Errorf("%v %s: %q, want %q", test.v, test.unit, got, test.want)
		}
	}
}

func TestParseRefusesWhatFailed(t *testing.T) {
	for _, raw := range []string{"--- FAIL: BenchmarkQueue\n", "FAIL\tgithub.com/x 0.1s\n", "panic: no\n", "pkg: x\nBenchmarkQueue 1 2 ns/op\n", "pkg: x\nok  \tx 1s\npkg: y\nPASS\n"} {
		if _, err := Parse(strings.NewReader(raw)); !errors.Is(err, ErrFailed) {
			t.Errorf("%q: %v", raw, err)
		}
	}
	if _, err := ParseReasons("no colon"); err == nil {
		t.Error("a line without a reason was accepted")
	}
}
