package testpages

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sample = "# Page\n\n## One\n\nThe first:\n\n```sh\none\n```\n\n1. In a list:\n\n   ```\n   two\n     three\n   ```\n\n### Deeper\n\n```sql\n-- Which?\nSELECT 1;\n```\n\n## Two\n\n```sh\nfour\n```\n"

func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPage(t *testing.T) {
	page := Read(t, write(t, sample))
	one := page.Part("## One")
	for what, diff := range map[string]string{
		"all of a part":      cmp.Diff([]Block{{"sh", "one\n"}, {"", "two\n  three\n"}, {"sql", "-- Which?\nSELECT 1;\n"}}, one.Blocks()),
		"those for a shell":  cmp.Diff([]Block{{"sh", "one\n"}, {"", "two\n  three\n"}}, one.Blocks("", "sh")),
		"of the last part":   cmp.Diff([]Block{{"sh", "four\n"}}, page.Part("## Two").Blocks()),
		"behind a text":      cmp.Diff("two\n  three\n", page.After("In a list")),
		"by what they begin": cmp.Diff(map[string]string{"Which?": "SELECT 1;\n"}, page.ByComment("sql", "--")),
	} {
		if diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
}

func TestCommands(t *testing.T) {
	text := "# a comment\nmake --topic fairlead --operation Read \\\n  --operation=Write --says 'two words' \"and more\" a'b c'd\n\nnext\n"
	all := Commands(text)
	want := []Command{{"make", "--topic", "fairlead", "--operation", "Read", "--operation=Write", "--says", "two words", "and more", "ab cd"}, {"next"}}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	for name, want := range map[string][]string{"--topic": {"fairlead"}, "--operation": {"Read", "Write"}, "--says": {"two words"}, "--no": nil} {
		if diff := cmp.Diff(want, all[0].Flag(name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// fails runs what has to end a test.
type fails struct {
	testing.TB
	failed bool
}

func (f *fails) Helper() {}

func (f *fails) Fatalf(string, ...any) {
	f.failed = true
	runtime.Goexit()
}

// What a page does not have ends the test that asks for it.
func TestWhatIsNotThere(t *testing.T) {
	for what, ask := range map[string]func(testing.TB){
		"a heading":         func(t testing.TB) { Read(t, write(t, sample)).Part("## Three") },
		"a text":            func(t testing.TB) { Read(t, write(t, sample)).After("The second") },
		"a text twice":      func(t testing.TB) { Read(t, write(t, sample+sample)).After("The first") },
		"a block behind it": func(t testing.TB) { Read(t, write(t, sample+"The end")).After("The end") },
		"a first line":      func(t testing.TB) { Read(t, write(t, sample)).ByComment("sh", "#") },
		"a jq":              func(t testing.TB) { JQ(t, "cat", nil) },
		"a jq that prints":  func(t testing.TB) { JQ(t, "jq -s '.'", nil) },
		"a program":         func(t testing.TB) { JQ(t, "jq -r '.a | nothing'", nil) },
		"an answer":         func(t testing.TB) { JQ(t, "jq -r '.a'", []byte("1")) },
		"JSON":              func(t testing.TB) { JQ(t, "jq -r '.a'", []byte("{")) },
		"a block's proof":   func(t testing.TB) { Read(t, write(t, sample)).assign(proofs("one", "-- Which", "four")) },
		"a proof's block":   func(t testing.TB) { Read(t, write(t, sample)).assign(proofs("one", "two", "-- Which", "four", "five")) },
		"a test":            func(t testing.TB) { has(t, ".", "TestNoSuchThing") },
		"a folder":          func(t testing.TB) { has(t, "nowhere", "TestPage") },
	} {
		f, ended := &fails{TB: t}, make(chan struct{})
		go func() {
			defer close(ended)
			ask(f)
		}()
		if <-ended; !f.failed {
			t.Errorf("%s that is not there: it goes on", what)
		}
	}
}

func proofs(beginnings ...string) map[string]Proof {
	all := map[string]Proof{}
	for _, b := range beginnings {
		all[b] = nil
	}
	return all
}

// Each block is proven by what fits it best, with its own text.
func TestProve(t *testing.T) {
	var proven []string
	proof := func(name string) Proof {
		return func(t *testing.T, block string) { proven = append(proven, t.Name()+" by "+name+": "+block) }
	}
	Prove(t, write(t, sample+"\n```\nonce\n```\n"), map[string]Proof{"one": proof("one"), "on": proof("on"), "t": proof("t"), "-- ": nil, "four": By(".", "TestProve")})
	if diff := cmp.Diff([]string{"TestProve/one by one: one\n", "TestProve/t by t: two\n  three\n", "TestProve/on by on: once\n"}, proven); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestJQ(t *testing.T) {
	input := []byte(`{"a":{"b":"x"},"n":1}` + "\n\n" + `{"a":{"b":"y"},"n":2}`)
	for command, want := range map[string][]string{
		`jq -r '.a.b'`:                           {"x", "y"},
		`jq -r '.a'`:                             {`{"b":"x"}`, `{"b":"y"}`},
		`cat x | jq -rs 'length, (.[1] | .a.b)'`: {"2", "y"},
		`jq -r '[.a.b, .n] | @tsv' file`:         {"x\t1", "y\t2"},
		"jq -r 'select(.n > 1)\n  | .n' | sort":  {"2"},
		`jq -r 'empty'`:                          nil,
	} {
		if diff := cmp.Diff(want, JQ(t, command, input)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", command, diff)
		}
	}
}
