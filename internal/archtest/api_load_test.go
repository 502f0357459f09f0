package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// api is what the public packages export.
type api struct {
	public map[string]*types.Package // by folder
	// aliases are what users call a type of another package of this module, the one to
	// show first.
	aliases map[*types.TypeName][]*types.TypeName
}

var loaded struct {
	sync.Once
	*api
	err error
}

// loadAPI type-checks the public packages, and what they import of this module, from
// their sources. What they import of others comes as the compiler has exported it.
func loadAPI(t *testing.T) *api {
	t.Helper()
	loaded.Do(func() { loaded.api, loaded.err = checkAPI(packageFolders(t)) })
	if loaded.err != nil {
		t.Fatal(loaded.err)
	}
	return loaded.api
}

// names returns the folders of the public packages.
func (a *api) names() []string { return slices.Sorted(maps.Keys(a.public)) }

func checkAPI(folders []string) (*api, error) {
	c := &checker{files: token.NewFileSet(), folders: map[string]*build.Package{}, checked: map[string]*types.Package{}}
	var public []string
	for _, pkg := range folders {
		found, err := build.ImportDir(filepath.Join(root, pkg), 0)
		if _, empty := err.(*build.NoGoError); empty { //nolint:errorlint // of go/build itself
			continue // of tests, or of another operating system
		}
		if err != nil {
			return nil, err
		}
		c.folders[pkg] = found
		if isPublic(pkg, found.Name) {
			public = append(public, pkg)
		}
	}
	if err := c.export(public); err != nil {
		return nil, err
	}
	a := &api{public: map[string]*types.Package{}, aliases: map[*types.TypeName][]*types.TypeName{}}
	for _, pkg := range public {
		checked, err := c.Import(path.Join(module, pkg))
		if err != nil {
			return nil, err
		}
		a.public[pkg] = checked
	}
	a.findAliases()
	return a, nil
}

// checker is the importer of its own packages.
type checker struct {
	files   *token.FileSet
	folders map[string]*build.Package
	checked map[string]*types.Package
	others  types.Importer
}

// export has the compiler export what packages import that is not of this module.
func (c *checker) export(packages []string) error {
	for _, name := range []string{"go.mod", "go.sum"} { // so that a cached result depends on them
		if _, err := os.ReadFile(filepath.Join(root, name)); err != nil {
			return err
		}
	}
	seen, others := map[string]bool{}, map[string]bool{}
	for len(packages) > 0 {
		pkg := packages[0]
		packages = packages[1:]
		if seen[pkg] {
			continue
		}
		seen[pkg] = true
		for _, imported := range c.folders[pkg].Imports {
			if ours, ok := strings.CutPrefix(imported, module+"/"); ok {
				packages = append(packages, ours)
			} else if imported != "unsafe" {
				others[imported] = true
			}
		}
	}
	command := exec.Command("go", append([]string{"list", "-export", "-deps", "-f", "{{if .Export}}{{.ImportPath}} {{.Export}}{{end}}"},
		slices.Sorted(maps.Keys(others))...)...)
	command.Dir = root
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		return fmt.Errorf("go list -export: %w: %s", err, &stderr)
	}
	exported := map[string]string{}
	for line := range strings.Lines(string(output)) {
		name, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exported[name] = file
	}
	c.others = importer.ForCompiler(c.files, "gc", func(path string) (io.ReadCloser, error) {
		if exported[path] == "" {
			return nil, fmt.Errorf("go list has not exported %s", path)
		}
		return os.Open(exported[path])
	})
	return nil
}

// Import implements types.Importer.
func (c *checker) Import(path string) (*types.Package, error) {
	pkg, ours := strings.CutPrefix(path, module+"/")
	switch {
	case path == "unsafe":
		return types.Unsafe, nil
	case !ours:
		return c.others.Import(path)
	case c.checked[pkg] != nil:
		return c.checked[pkg], nil
	}
	var files []*ast.File
	for _, name := range c.folders[pkg].GoFiles {
		file, err := parser.ParseFile(c.files, filepath.Join(root, pkg, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	checked, err := (&types.Config{Importer: c, IgnoreFuncBodies: true}).Check(path, c.files, files, nil)
	if err != nil {
		return nil, err
	}
	c.checked[pkg] = checked
	return checked, nil
}
