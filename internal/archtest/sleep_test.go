package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"testing"
)

// A test that sleeps on the wall clock is slow where it passes and fails on a busy
// machine. In a synctest bubble time.Sleep is exact and takes no time. A file may
// sleep if it uses testing/synctest, by itself or through a function of its
// package's tests that does.
func TestOnlySynctestSleeps(t *testing.T) {
	for _, folder := range packageFolders(t) {
		paths, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		var files []*ast.File
		for _, path := range paths {
			files = append(files, parse(t, path, nil))
		}
		for _, i := range sleepAwake(files) {
			t.Errorf("%s calls time.Sleep and does not use testing/synctest", paths[i])
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

// sleepAwake returns which of one package's test files sleep on the wall clock.
func sleepAwake(files []*ast.File) []int {
	var bubbles []string // functions that open a bubble for their caller
	for _, file := range files {
		for _, declared := range file.Decls {
			if function, ok := declared.(*ast.FuncDecl); ok && mentions(function, "synctest", "Test") {
				bubbles = append(bubbles, function.Name.Name)
			}
		}
	}
	var awake []int
	for i, file := range files {
		asleep := slices.ContainsFunc(file.Imports, func(spec *ast.ImportSpec) bool { return spec.Path.Value == `"testing/synctest"` })
		for node := range ast.Preorder(file) {
			if call, ok := node.(*ast.CallExpr); ok {
				if called, ok := call.Fun.(*ast.Ident); ok && slices.Contains(bubbles, called.Name) {
					asleep = true
				}
			}
		}
		if !asleep && mentions(file, "time", "Sleep") {
			awake = append(awake, i)
		}
	}
	return awake
}

// mentions reports whether pkg.name occurs below a node. Packages are taken by
// their usual names.
func mentions(root ast.Node, pkg, name string) bool {
	for node := range ast.Preorder(root) {
		if selector, ok := node.(*ast.SelectorExpr); ok && selector.Sel.Name == name {
			if x, ok := selector.X.(*ast.Ident); ok && x.Name == pkg {
				return true
			}
		}
	}
	return false
}

func TestSleepAwake(t *testing.T) {
	for _, test := range []struct {
		name   string
		source string
		want   bool
	}{
		{"sleeps", "import \"time\"\nfunc f() { time.Sleep(1) }", true},
		{"has it done", "import \"time\"\nvar pause = time.Sleep", true},
		{"in a bubble", "import \"time\"\nimport \"testing/synctest\"\nfunc f() { time.Sleep(1) }", false},
		{"in another's bubble", "import \"time\"\nfunc f() { bubble(func() { time.Sleep(1) }) }", false},
		{"waits", "import \"time\"\n// not time.Sleep\nfunc f() { time.AfterFunc(1, func() {}) }", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := []*ast.File{
				parse(t, "helper.go", "package a\nimport \"testing/synctest\"\nfunc bubble(f func()) { synctest.Test(nil, f) }"),
				parse(t, "test.go", "package a\n"+test.source),
			}
			if got := slices.Contains(sleepAwake(files), 1); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
