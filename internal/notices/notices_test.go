package notices

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every module that is linked into the program has a licence of a known kind, and
// all are told.
func TestProgramCanBeShipped(t *testing.T) {
	for _, file := range []string{"go.mod", "go.sum"} { // so that the test's cached result depends on them
		if _, err := os.ReadFile(filepath.Join("../..", file)); err != nil {
			t.Fatal(err)
		}
	}
	packages, err := Linked(t.Context(), "../..", "./cmd/fairlead")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := Write(&b, packages); err != nil {
		t.Fatal(err)
	}
	for _, p := range packages {
		if !strings.Contains(b.String(), "\n"+p.Module.Path+" "+p.Module.Version+"\n") {
			t.Errorf("%s is not told", p.Module.Path)
		}
	}
	for _, part := range []string{"Go and its standard library go1.", "k8s.io/client-go v", "k8s.io/apimachinery", "third_party/forked/golang", "Its source is what the go command gets"} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("%s is not told", part)
		}
	}
	var again strings.Builder
	slices.Reverse(packages)
	if err := Write(&again, packages); err != nil || again.String() != b.String() {
		t.Errorf("written twice, the texts differ: %v", err)
	}
}

const bsd = "Copyright A\nRedistribution and use in source and binary\nforms, with or without modification"

// module makes a module with files, and returns a package of it.
func module(t *testing.T, name string, files map[string]string, at string) Package {
	t.Helper()
	root := t.TempDir()
	for path, text := range files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Package{Dir: filepath.Join(root, at), Module: Module{Path: name, Version: "v1.0.0", Dir: root}}
}

func TestWrite(t *testing.T) {
	for name, tc := range map[string]struct {
		packages []Package
		want     []string // parts, in this order; or of the error
		fails    bool
	}{
		"equal texts once": {
			packages: []Package{module(t, "b.example", map[string]string{"LICENSE": bsd}, "."), module(t, "a.example", map[string]string{"LICENSE.txt": bsd + "\r\n"}, ".")},
			want:     []string{"a.example v1.0.0\nb.example v1.0.0\n\nCopyright A\n"},
		},
		"folders between package and root": {
			packages: []Package{module(t, "a.example", map[string]string{
				"LICENSE": bsd, "NOTICE": "all of it", "forked/LICENCE": bsd + " B", "forked/in/p.go": "", "other/LICENSE": "unused",
			}, "forked/in")},
			want: []string{"a.example v1.0.0\n", "all of it", "a.example v1.0.0, forked/...\n"},
		},
		"none":            {packages: []Package{module(t, "a.example", map[string]string{"p.go": ""}, ".")}, fails: true, want: []string{"a.example v1.0.0 has no licence"}},
		"a notice alone":  {packages: []Package{module(t, "a.example", map[string]string{"NOTICE": "by A", "PATENTS": "none"}, ".")}, fails: true, want: []string{"a.example v1.0.0 has no licence"}},
		"not at the root": {packages: []Package{module(t, "a.example", map[string]string{"in/LICENSE": bsd}, "in")}, fails: true, want: []string{"no licence"}},
		"unknown":         {packages: []Package{module(t, "a.example", map[string]string{"COPYING": "GNU GENERAL PUBLIC LICENSE"}, ".")}, fails: true, want: []string{"a.example v1.0.0: COPYING"}},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			err := Write(&b, tc.packages)
			text := b.String()
			if (err != nil) != tc.fails {
				t.Fatal(err)
			}
			if err != nil {
				text = err.Error()
			}
			for _, part := range tc.want {
				_, rest, ok := strings.Cut(text, part)
				if !ok {
					t.Fatalf("no %q in\n%s", part, text)
				}
				text = rest
			}
		})
	}
}
