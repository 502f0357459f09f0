package archtest

import (
	"errors"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "github.com/fairlead-dev/fairlead"
	root   = "../.."
)

// The sources are read here instead of asking the go command, so that the test's
// cached result depends on them.

// packageFolders returns the folders that hold a package of this module, without
// those of nested modules.
func packageFolders(t *testing.T) []string {
	t.Helper()
	var folders []string
	err := filepath.WalkDir(root, func(at string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() || at == root {
			return err
		}
		name := entry.Name()
		if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "vendor" {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return filepath.SkipDir
		}
		sources, err := filepath.Glob(filepath.Join(at, "*.go"))
		if len(sources) > 0 {
			folder, err := filepath.Rel(root, at)
			if err != nil {
				return err
			}
			folders = append(folders, filepath.ToSlash(folder))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return folders
}

// importsOf returns what the package in a folder imports of this module.
func importsOf(t *testing.T, folder string) []imports {
	t.Helper()
	sources, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var found []imports
	for _, source := range sources {
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatalf("%s: import %s: %v", source, spec.Path.Value, err)
			}
			if to, ours := strings.CutPrefix(imported, module+"/"); ours && to != folder {
				found = append(found, imports{from: folder, to: to, file: path.Join(folder, filepath.Base(source)), fromTest: strings.HasSuffix(source, "_test.go")})
			}
		}
	}
	return found
}

func TestImportsFollowTheRules(t *testing.T) {
	folders := packageFolders(t)
	if !slices.Contains(folders, "pipeline") || !slices.Contains(folders, "internal/testenv") {
		t.Fatalf("the walk misses packages: found %v", folders)
	}
	seen := 0
	for _, folder := range folders {
		for _, i := range importsOf(t, folder) {
			seen++
			if wrong := violation(i); wrong != "" {
				t.Error(wrong)
			}
		}
	}
	if seen == 0 {
		t.Error("not one import between packages was found")
	}
}

func TestArchitectureNamesEverything(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("there is no ARCHITECTURE.md")
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(packageFolders(t), topLevel(t)...) {
		if !names(string(text), name) {
			t.Errorf("ARCHITECTURE.md does not name %s", name)
		}
	}
}

// topLevel returns the files and folders at the root that git tracks; none where
// this is not a git checkout.
func topLevel(t *testing.T) []string {
	t.Helper()
	command := exec.Command("git", "ls-files")
	command.Dir = root
	output, err := command.Output()
	if err != nil {
		t.Logf("git ls-files: %v: the files at the root are not checked", err)
		return nil
	}
	var found []string
	for line := range strings.Lines(string(output)) {
		found = append(found, folder(strings.TrimSpace(line)))
	}
	slices.Sort(found)
	return slices.Compact(found)
}

var pathLike = regexp.MustCompile(`[\w./-]+`)

// names reports whether a text names a path, the whole of it. A top-level folder
// is also named by any path below it.
func names(text, name string) bool {
	for _, word := range pathLike.FindAllString(text, -1) {
		word = strings.TrimRight(strings.TrimPrefix(word, "./"), "./")
		if word == name || !strings.Contains(name, "/") && folder(word) == name {
			return true
		}
	}
	return false
}

// The rules themselves are tested on imports that do not exist.

func TestViolations(t *testing.T) {
	for _, test := range []struct {
		from, to string
		file     string
		test     bool
		wrong    bool
	}{
		{from: "cmd/fairlead", to: "sinks/file", wrong: true},
		{from: "cmd/internal/app", file: "cmd/internal/app/sinks.go", to: "sinks/file", wrong: true},
		{from: "cmd/internal/app", file: "cmd/internal/app/sinks_test.go", to: "sinks/file", test: true},
		{from: "cmd/internal/app", file: "cmd/internal/app/kinds.go", to: "sinks/file"},
		{from: "cmd/internal/app", file: "cmd/internal/app/sinks.go", to: "sinks/batch"},
		{from: "cmd/internal/app", file: "cmd/internal/app/program.go", to: "internal/ledger/bolt", wrong: true},
		{from: "cmd/fairlead-chaos", to: "internal/ledger/bolt"},
		{from: "cmd/fairlead", to: "pipeline"},
		{from: "cmd/fairlead", to: "cmd/fairlead/config"},
		{from: "cmd/fairlead-demo", to: "internal/testenv"},
		{from: "cmd/fairlead", to: "internal/testenv", wrong: true},
		{from: "cmd/fairlead", to: "cmd/internal/lab", wrong: true},
		{from: "cmd/fairlead-chaos", to: "cmd/internal/lab"},
		{from: "cmd/fairlead", to: "internal/testenv", test: true},
		{from: "cmd/fairlead-demo", to: "cmd/fairlead", wrong: true},
		{from: "cmd/fairlead", to: "cmd/internal/app"},
		{from: "bench", to: "cmd/internal/app", wrong: true},
		{from: "cmd/fairlead-demo", to: "bench", wrong: true},
		{from: "bench", to: "cmd/fairlead", wrong: true},
		{from: "bench", to: "internal/testenv"},
		{from: "bench", to: "bench/load"},
		{from: "sources", to: "sources/stream"},
		{from: "sources/stream", to: "pipeline"},
		{from: "sources/stream", to: "internal/ledger"},
		{from: "sources/stream", to: "sources/stream/scan"},
		{from: "sources/stream", to: "sources", wrong: true},
		{from: "sources/stream", to: "sources/connection", wrong: true},
		{from: "sources/stream", to: "sources/connection", test: true, wrong: true},
		{from: "sources/stream", to: "sinks/file", wrong: true},
		{from: "sources", to: "sinks", wrong: true},
		{from: "sources/stream", to: "internal/testenv", wrong: true},
		{from: "sources/stream", to: "internal/testenv", test: true},
		{from: "sinks", to: "sinks/file", wrong: true},
		{from: "sinks/file", to: "sinks"},
		{from: "sinks/file", to: "sinks/batch", wrong: true},
		{from: "sinks/file", to: "sinks/sinktest", test: true},
		{from: "sinks/file", to: "sinks/sinktest", wrong: true},
		{from: "sinks/file", to: "sources/fleet", wrong: true},
		{from: "pipeline", to: "ratelimit"},
		{from: "pipeline", to: "internal/retry"},
		{from: "pipeline", to: "sources/stream", wrong: true},
		{from: "pipeline", to: "sinks/file", test: true, wrong: true},
		{from: "pipeline", to: "pipeline/budget"},
		{from: "pipeline", to: "pipeline/queue", wrong: true},
		{from: "pipeline/queue", to: "ratelimit"},
		{from: "pipeline/queue", to: "pipeline", wrong: true},
		{from: "pipeline/queue", to: "pipeline", test: true},
		{from: "pipeline/budget", to: "pipeline", wrong: true},
		{from: "pipeline/stage", to: "pipeline/queue"},
		{from: "pipeline/stage", to: "pipeline/budget", wrong: true},
		{from: "sources/stream/wire", to: "internal/jsontext"},
		{from: "sources/stream/wire", to: "pipeline", wrong: true},
		{from: "sources/stream/wire", to: "sources/stream", wrong: true},
		{from: "sources/stream", to: "sources/stream/wire"},
		{from: "ratelimit", to: "internal/retry"},
		{from: "ratelimit", to: "pipeline", wrong: true},
		{from: "internal/ledger", to: "pipeline", wrong: true},
		{from: "internal/ledger", to: "ratelimit", wrong: true},
		{from: "internal/ledger", to: "internal/retry"},
		{from: "internal/ledger", to: "internal/testenv", wrong: true},
		{from: "fairleadtest/control-plane", to: "fairleadtest"},
		{from: "fairleadtest", to: "internal/controlplane"},
		{from: "fairleadtest", to: "internal/testenv", wrong: true},
		{from: "fairleadtest", to: "pipeline", wrong: true},
		{from: "internal/testenv", to: "fairleadtest"},
		{from: "internal/ledger", to: "fairleadtest", wrong: true},
		{from: "sources/stream", to: "fairleadtest", wrong: true},
		{from: "sources/stream", to: "fairleadtest", test: true},
		{from: "examples/queue", to: "fairleadtest", test: true},
		{from: "examples/queue", to: "fairleadtest", wrong: true},
		{from: "locks/lease", to: "locks"},
		{from: "locks/lease", to: "internal/retry"},
		{from: "locks/lease", to: "locks/locktest", test: true},
		{from: "locks/lease", to: "locks/locktest", wrong: true},
		{from: "locks/lease", to: "locks/etcd", wrong: true},
		{from: "locks/lease", to: "pipeline", wrong: true},
		{from: "locks/lease", to: "sources/fleet", wrong: true},
		{from: "locks/lease", to: "sinks", test: true, wrong: true},
		{from: "locks", to: "locks/lease", wrong: true},
		{from: "cmd/internal/app", file: "cmd/internal/app/kinds.go", to: "locks/lease"},
		{from: "cmd/internal/app", file: "cmd/internal/app/leader.go", to: "locks/lease", wrong: true},
		{from: "cmd/internal/app", file: "cmd/internal/app/leader.go", to: "locks"},
		{from: "cmd/internal/app", file: "cmd/internal/app/leader_test.go", to: "locks/lease", test: true},
		{from: "cmd/fairlead", file: "cmd/fairlead/kinds.go", to: "locks/lease", wrong: true},
		{from: "sources", to: "locks", wrong: true},
		{from: "sinks/file", to: "locks", wrong: true},
		{from: "internal/election", to: "internal/retry", wrong: true},
		{from: "internal/election", to: "locks", test: true, wrong: true},
		{from: "examples/queue", to: "locks/lease"},
		{from: "examples/queue", to: "pipeline"},
		{from: "examples/queue", to: "internal/retry", wrong: true},
		{from: "examples/queue", to: "internal/testenv", wrong: true},
		{from: "examples/queue", to: "internal/testenv", test: true},
		{from: "examples/queue", to: "internal/retry", test: true, wrong: true},
		{from: "surprise", to: "pipeline", wrong: true},
	} {
		got := violation(imports{from: test.from, to: test.to, file: test.file, fromTest: test.test})
		if (got != "") != test.wrong {
			t.Errorf("%s imports %s (in a test: %v): got %q, want a violation: %v",
				test.from, test.to, test.test, got, test.wrong)
		}
	}
}

func TestNames(t *testing.T) {
	const text = "| `pipeline` | the queue |\n`sources/stream`, sources/cache.\n`.ci/run` calls make; see go.mod. cmd/fairlead-demo/ and Makefile"
	for name, want := range map[string]bool{
		"pipeline": true, "sources/stream": true, "sources/cache": true, "sources": true, ".ci": true,
		"go.mod": true, "Makefile": true, "cmd/fairlead-demo": true,
		"cmd/fairlead": false, "sources/stream/scan": false, "stream": false, "sources/str": false, "ci": false, "go": false, "pipe": false, "LICENSE": false,
	} {
		if got := names(text, name); got != want {
			t.Errorf("names(%s) = %v, want %v", name, got, want)
		}
	}
}

// A kind that is new needs no line here.
func TestKindsAreFound(t *testing.T) {
	for pkg, want := range map[string]bool{
		"sinks/file": true, "sinks/stdout": true, "internal/ledger/bolt": true, "locks/lease": true,
		"sinks": false, "locks": false, "internal/ledger": false, "sinks/batch": false, "sources/fleet": false,
	} {
		if got := isKind(root, pkg); got != want {
			t.Errorf("%s is a kind: %t, want %t", pkg, got, want)
		}
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "locks", "new"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "locks", "new", "kind.go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !isKind(dir, "locks/new") {
		t.Error("a new kind is not found")
	}
}
