package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The report points to what was written beside it.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	raw, err := os.ReadFile("../internal/report/testdata/raw.txt")
	if err != nil {
		t.Fatal(err)
	}
	o := options{
		raw: filepath.Join(dir, "docs", "benchmarks", "raw.txt"), tables: filepath.Join(dir, "docs", "benchmarks", "benchstat.txt"),
		reasons: filepath.Join(dir, "none"), out: filepath.Join(dir, "docs", "benchmarks.md"), command: "make bench",
	}
	if err := write(o.raw, raw); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(o.out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"(benchmarks/raw.txt)", "(benchmarks/benchstat.txt)", `src="benchmarks/flood-light.svg"`, "Example CPU @ 3.00GHz", "`make bench`"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the report does not hold %s", want)
		}
	}
	plots, _ := filepath.Glob(filepath.Join(dir, "docs", "benchmarks", "*.svg"))
	if len(plots) != 8 {
		t.Errorf("plots %v, want four in two themes", plots)
	}
	for _, bad := range []string{"--- FAIL: BenchmarkQueue\n", "pkg: x\nPASS\nok  \tx 1s\n"} {
		if err := write(o.raw, []byte(bad)); err != nil {
			t.Fatal(err)
		}
		if run(t.Context(), o) == nil {
			t.Errorf("%q was written up", bad)
		}
	}
}
