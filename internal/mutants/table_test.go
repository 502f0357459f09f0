package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// Each rule of the models has a mutant, and each mutant is of one of them.
func TestEachRuleHasAMutant(t *testing.T) {
	all := rules()
	for i, rule := range all {
		if slices.Contains(all[:i], rule) {
			t.Errorf("%q is there twice", rule)
		}
		if !slices.ContainsFunc(mutants(), func(m mutant) bool { return m.rule == rule }) {
			t.Errorf("nothing shows that a test notices when this is missing: %s", rule)
		}
	}
	for _, m := range mutants() {
		if !slices.Contains(all, m.rule) {
			t.Errorf("%q is no rule", m.rule)
		}
	}
}

// Each mutant fits the product as it is, and is Go; its test is there.
func TestMutantsFit(t *testing.T) {
	tests := map[string][]string{}
	for _, m := range mutants() {
		files, err := m.mutated(root)
		if err != nil {
			t.Error(err)
		}
		for file, text := range files {
			if strings.HasSuffix(file, "_test.go") {
				t.Errorf("%q: %s is no product", m.rule, file)
			}
			if _, err := parser.ParseFile(token.NewFileSet(), file, text, 0); err != nil {
				t.Errorf("%q: %v", m.rule, err)
			}
		}
		for _, e := range m.edits {
			if e.old == e.new {
				t.Errorf("%q changes nothing in %s", m.rule, e.file)
			}
		}
		if tests[m.test.pkg] == nil {
			tests[m.test.pkg] = testsOf(t, m.test.pkg)
		}
		if !slices.Contains(tests[m.test.pkg], m.test.name) {
			t.Errorf("%q: there is no %s", m.rule, m.test)
		}
	}
}

// testsOf returns the names of the tests in a folder.
func testsOf(t *testing.T, pkg string) (names []string) {
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pkg), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, b, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names
}
