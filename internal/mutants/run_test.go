package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A small module whose tests and mutants are of each kind.
const (
	exampleMod  = "module example.com/m\n\ngo 1.26\n"
	exampleCode = "package m\n\nfunc Sum(a, b int) int {\n\treturn a + b\n}\n"
	exampleTest = `package m

import "testing"

func TestSum(t *testing.T) {
	if got := Sum(2, 2); got != 4 {
		t.Errorf("2 and 2 are %d", got)
	}
}

func TestCrash(t *testing.T) {
	if got := Sum(1, 2); got != 3 {
		panic(got)
	}
}

func TestFails(t *testing.T) { t.Error("it always does") }

func TestSkips(t *testing.T) { t.Skip("nothing to do") }

func TestWaits(t *testing.T) {
	if Sum(2, 1) != 3 {
		<-make(chan int)
	}
}
`
)

func TestVerdicts(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("GOFLAGS", "")
	t.Setenv("GOWORK", "off")
	for file, text := range map[string]string{"go.mod": exampleMod, "m/m.go": exampleCode, "m/m_test.go": exampleTest} {
		path := filepath.Join(dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := newRunner(dir)
	if err != nil {
		t.Fatal(err)
	}
	r.timeout = time.Minute
	of := func(name, old, changed string) mutant {
		return mutant{name, []edit{{"m/m.go", old, changed}}, test{"m", name, ""}}
	}
	for _, tc := range []struct {
		mutant mutant
		killed bool
		want   string
	}{
		{of("TestSum", "a + b", "a - b"), true, "by m TestSum: m_test.go:7: 2 and 2 are 0"},
		{of("TestCrash", "a + b", "a - b"), true, "by m TestCrash: panic: -1"},
		{of("TestSum", "a + b", "a * b"), false, "SURVIVED: m TestSum passes"},
		{of("TestSum", "a + b", "a + c"), false, "BROKEN: with the mutant, m TestSum: it does not compile: # example.com/m/m"},
		{of("TestSum", "a / b", "a + c"), false, "BROKEN: with the mutant, m TestSum: m/m.go holds the text 0 times"},
		{of("TestFails", "a + b", "a - b"), false, "NOT RUN: without the mutant, m TestFails fails: m_test.go:17: it always does"},
		{of("TestSkips", "a + b", "a - b"), false, "NOT RUN: without the mutant, m TestSkips: the test was skipped"},
		{of("TestMissing", "a + b", "a - b"), false, "NOT RUN: without the mutant, m TestMissing: there is no such test"},
	} {
		verdict, killed := r.judgeOne(t.Context(), tc.mutant)
		if killed != tc.killed || !strings.Contains(verdict, tc.want) {
			t.Errorf("%s, %s: %t, %s; want %t, %s", tc.mutant.rule, tc.mutant.edits[0].new, killed, verdict, tc.killed, tc.want)
		}
	}
	code, err := os.ReadFile(filepath.Join(dir, "m", "m.go"))
	if err != nil || string(code) != exampleCode {
		t.Errorf("the tree was changed: %q, %v", code, err)
	}

	var out strings.Builder
	err = r.judge(t.Context(), &out, []mutant{of("TestSum", "a + b", "a - b"), of("TestSum", "a + b", "a * b")})
	if err == nil || err.Error() != "1 of 2 mutants were not killed" {
		t.Errorf("%v\n%s", err, &out)
	}
	if want := "    m/m.go:4\n    SURVIVED"; !strings.Contains(out.String(), want) {
		t.Errorf("%q is not in:\n%s", want, &out)
	}

	r.timeout = 2 * time.Second // of the test that waits for ever
	if verdict, killed := r.judgeOne(t.Context(), of("TestWaits", "a + b", "a - b")); killed || !strings.Contains(verdict, "timed out") {
		t.Errorf("%t, %s", killed, verdict)
	}
}
