package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestPageIsGenerated(t *testing.T) {
	var want strings.Builder
	if err := writePage(&want, mutants()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("README.md")
	if err != nil || string(got) != want.String() {
		t.Errorf("README.md is not what the table says, %v; run make docs", err)
	}
	for rule := range switches {
		if !slices.Contains(rules(), rule) {
			t.Errorf("%q is no rule", rule)
		}
	}
}
