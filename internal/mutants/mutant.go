package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// mutant is the product without a rule.
type mutant struct {
	// rule is one of the models' rules. Several mutants may be of one rule.
	rule string
	// edits take it out. Most often one line is enough.
	edits []edit
	// test fails then.
	test test
}

// edit replaces a text in a file of the product.
type edit struct {
	file     string // from the root of the repository, with slashes
	old, new string // old occurs once
}

// test is a test function, and how it is called.
type test struct {
	pkg  string // folder, from the root of the repository
	name string
	args string // flags of the test, separated by spaces; empty: none
}

func (t test) String() string {
	if t.args == "" {
		return t.pkg + " " + t.name
	}
	return t.pkg + " " + t.name + " " + t.args
}

// place returns the file of the mutant's first edit, and its line there.
func (m mutant) place(root string) string {
	e := m.edits[0]
	text, err := os.ReadFile(filepath.Join(root, e.file))
	before, _, found := strings.Cut(string(text), e.old)
	if err != nil || !found {
		return e.file
	}
	skipped := strings.Count(e.old[:len(e.old)-len(strings.TrimLeft(e.old, "\n"))], "\n")
	return fmt.Sprintf("%s:%d", e.file, 1+strings.Count(before, "\n")+skipped)
}

// mutated returns the files that a mutant changes, by their path from the root, as they are
// with its edits.
func (m mutant) mutated(root string) (map[string]string, error) {
	files := map[string]string{}
	for _, e := range m.edits {
		text, ok := files[e.file]
		if !ok {
			b, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				return nil, fmt.Errorf("read what is to be changed: %w", err)
			}
			text = string(b)
		}
		if n := strings.Count(text, e.old); n != 1 {
			return nil, fmt.Errorf("%s holds the text %d times, not once; write the mutant of %q anew: %q", e.file, n, m.rule, e.old)
		}
		files[e.file] = strings.Replace(text, e.old, e.new, 1)
	}
	return files, nil
}
