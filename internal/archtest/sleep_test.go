package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mayWait are functions and methods of tests that let time pass outside of a
// bubble, and why there is no condition to wait for.
var mayWait = map[string]string{
	"bench.BenchmarkFleet":        "what a fleet costs per second is measured over seconds",
	"bench.BenchmarkSnapshotPeak": "the ledger stores once an interval, and nothing shows that it has stored all",
	"bench.BenchmarkStalledSink":  "who reads is given the time to, and that nobody does is a result",
}

// A test that waits for time to pass is slow where it passes and fails on a busy
// machine. In a synctest bubble time is exact and takes none. Outside of one a
// test waits for what must come about; a time limit is fine, as one case of a
// select that has others.
func TestOnlyBubblesLetTimePass(t *testing.T) {
	found := map[string]bool{}
	for _, folder := range packageFolders(t) {
		paths, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		var files []*ast.File
		for _, path := range paths {
			files = append(files, parse(t, path, nil))
		}
		for _, name := range waitAwake(files) {
			found[folder+"."+name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if mayWait[name] == "" {
			t.Errorf("%s lets time pass, and can be called outside of a synctest bubble: wait for a condition", name)
		}
	}
	for name := range mayWait {
		if !found[name] {
			t.Errorf("%s need not be excused any more", name)
		}
	}
}

// The race detector dies in bubbles of testing/synctest, see internal/synctest. Examples,
// which users copy, can use nothing of ours.
func TestBubblesAreOurs(t *testing.T) {
	for _, folder := range packageFolders(t) {
		if folder == "internal/synctest" || strings.HasPrefix(folder, "examples/") {
			continue
		}
		paths, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			for _, i := range parse(t, path, nil).Imports {
				if i.Path.Value == `"testing/synctest"` {
					t.Errorf("%s imports testing/synctest; import internal/synctest, which the race detector survives", path)
				}
			}
		}
	}
}

// parse reads a file, or source in its place.
func parse(t *testing.T, path string, source any) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestWaitAwake(t *testing.T) {
	const helpers = `package a
		import "testing/synctest"
		func bubble(f func()) { synctest.Test(nil, f) }
		func outer(n int, f func()) { bubble(func() { f() }) }
		func pass() { time.Sleep(1); synctest.Wait() }
		func pause() { time.Sleep(1) }
		type server struct{}
		func (s server) answer() { time.Sleep(1) }`
	for name, test := range map[string]struct {
		source string
		want   []string
	}{
		"sleeps":              {`func TestA() { time.Sleep(1) }`, []string{"TestA"}},
		"has it done":         {`func TestA() { f := time.Sleep; f(1) }`, []string{"TestA"}},
		"in a bubble":         {`func TestA() { synctest.Test(nil, func() { time.Sleep(1) }) }`, nil},
		"in another's bubble": {`func TestA() { outer(1, func() { time.Sleep(1) }) }`, nil},
		"beside a bubble":     {`func TestA() { bubble(func() {}); time.Sleep(1) }`, []string{"TestA"}},
		"in a table of what a bubble does": {
			`func TestA() { for _, f := range []func(){func() { time.Sleep(1) }} { bubble(func() { f() }) } }`, nil,
		},
		"beside a bubble, in a subtest": {`func TestA() { bubble(nil); t.Run("", func() { time.Sleep(1) }) }`, []string{"TestA"}},
		"in a file with a bubble":       {`func TestA() { bubble(nil) }; func TestB() { time.Sleep(1) }`, []string{"TestB"}},
		"by a helper":                   {`func TestA() { pause() }`, []string{"pause"}},
		"by a helper in a bubble":       {`func TestA() { bubble(func() { pause() }) }`, nil},
		"by a helper for both":          {`func TestA() { bubble(func() { pause() }) }; func TestB() { pause() }`, []string{"pause"}},
		"by a helper that would panic":  {`func TestA() { pass() }`, nil},
		"by a method":                   {`func TestA() { s := server{}; s.answer() }`, []string{"server.answer"}},
		"by a method in a bubble":       {`func TestA() { bubble(func() { server{}.answer() }) }`, nil},
		"by what a helper makes":        {`func TestA() { made() }; func made() *server { return &server{} }`, []string{"server.answer"}},
		"a channel":                     {`func TestA() { <-time.After(1) }`, []string{"TestA"}},
		"a channel in a variable":       {`func TestA() { c := time.After(1); <-c }`, []string{"TestA"}},
		"a timer":                       {`func TestA() { var c = time.NewTimer(1); <-c.C }`, []string{"TestA"}},
		"a ticker":                      {`func TestA() { c := time.NewTicker(1); for range c.C {} }`, []string{"TestA"}},
		"the only case":                 {`func TestA() { select { case <-time.After(1): } }`, []string{"TestA"}},
		"two limits":                    {`func TestA() { select { case <-time.After(1): case <-time.After(2): } }`, []string{"TestA"}},
		"a limit":                       {`func TestA() { select { case <-time.After(1): case <-done: } }`, nil},
		"a limit in a variable":         {`func TestA() { c := time.After(1); for { select { case <-c: case x := <-done: } } }`, nil},
		"ticks":                         {`func TestA() { c := time.NewTicker(1); l := time.After(2); for { select { case <-c.C: case <-l: } } }`, nil},
		"a tick":                        {`func TestA() { <-time.Tick(1) }`, []string{"TestA"}},
		"no wait":                       {`func TestA() { time.AfterFunc(1, nil); <-done /* not time.Sleep */ }`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			files := []*ast.File{parse(t, "helpers.go", helpers), parse(t, "test.go", "package a\n"+test.source)}
			if got := waitAwake(files); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
