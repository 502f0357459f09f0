package testsinks

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Each test that starts one of these servers is run by make test-sinks, where it cannot be skipped.
func TestTargetRunsAll(t *testing.T) {
	const root = "../.."
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	makefile := string(text)
	whole, single := strings.Fields(variable(t, makefile, "SINKPKGS")), strings.Fields(variable(t, makefile, "SINKTESTPKGS"))
	names, err := regexp.Compile(strings.ReplaceAll(variable(t, makefile, "SINKTESTS"), "$$", "$"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for file, tests := range starters(t, root) {
		folder := "./" + path.Dir(file)
		if slices.ContainsFunc(whole, func(of string) bool { return holds(of, folder) }) {
			continue
		}
		for _, test := range tests {
			if found++; !slices.Contains(single, folder) || !names.MatchString(test) {
				t.Errorf("make test-sinks does not run %s of %s: add it to SINKTESTS and SINKTESTPKGS", test, folder)
			}
		}
	}
	if found < 4 {
		t.Errorf("%d tests outside of %v start a server; are they found otherwise now?", found, whole)
	}
}

// variable returns what a Makefile sets a variable to.
func variable(t *testing.T, makefile, name string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^` + name + ` *:= *(.*)$`).FindStringSubmatch(makefile)
	if found == nil {
		t.Fatalf("the Makefile sets no %s", name)
	}
	return found[1]
}

// holds reports whether a pattern of packages, such as ./sinks/..., means a folder.
func holds(pattern, folder string) bool {
	of, below := strings.CutSuffix(pattern, "/...")
	return folder == of || below && strings.HasPrefix(folder, of+"/")
}

// starters returns the tests that start a server, by the path of their file.
func starters(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := fs.WalkDir(os.DirFS(root), ".", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (strings.HasPrefix(path.Base(file), ".") && file != "." || file == "bin"):
			return fs.SkipDir
		case !strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "internal/testsinks/"):
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil || !bytes.Contains(text, []byte("testsinks.Start")) {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if tests := startersIn(parsed); len(tests) > 0 {
			found[file] = tests
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// startersIn returns the tests of a file that start a server, by themselves or by functions of
// the file, and the functions that do and that no test of the file calls.
func startersIn(file *ast.File) (tests []string) {
	calls := map[string]map[string]bool{} // the names in each function
	does := map[string]bool{}
	for _, of := range file.Decls {
		if f, is := of.(*ast.FuncDecl); is && !strings.HasPrefix(f.Name.Name, "Benchmark") {
			calls[f.Name.Name], does[f.Name.Name] = namesIn(f), starts(f)
		}
	}
	called := map[string]bool{}
	for more := true; more; {
		more = false
		for name, names := range calls {
			for other := range names {
				if does[other] && name != other {
					called[other] = true
					more = more || !does[name]
					does[name] = true
				}
			}
		}
	}
	for name, is := range does {
		if is && (strings.HasPrefix(name, "Test") || !called[name]) {
			tests = append(tests, name)
		}
	}
	return tests
}

func namesIn(f *ast.FuncDecl) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		if of, is := n.(*ast.Ident); is {
			names[of.Name] = true
		}
		return true
	})
	return names
}

// starts reports whether a function starts a server by itself.
func starts(f *ast.FuncDecl) (does bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		if of, is := n.(*ast.SelectorExpr); is && strings.HasPrefix(of.Sel.Name, "Start") {
			if in, is := of.X.(*ast.Ident); is && in.Name == "testsinks" {
				does = true
			}
		}
		return !does
	})
	return does
}
