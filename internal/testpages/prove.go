package testpages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Proof does what a block of a page shows, of which it gets the text, and fails the test unless
// that has the outcome that the page promises.
type Proof func(t *testing.T, block string)

// Prove has each block of a page proven, in a subtest. The proofs are by what their blocks begin
// with; of several that fit the longest counts. Nil: nothing here can do what the block shows. A
// block without a proof, and a proof without a block, end the test.
func Prove(t *testing.T, path string, proofs map[string]Proof) {
	t.Helper()
	page := Read(t, path)
	begins := page.assign(proofs)
	for i, block := range page.Blocks() {
		if proof := proofs[begins[i]]; proof != nil {
			t.Run(strings.Trim(begins[i], " :"), func(t *testing.T) { proof(t, block.Text) })
		}
	}
}

// assign returns the key of each block's proof.
func (p *Page) assign(proofs map[string]Proof) (begins []string) {
	p.t.Helper()
	used := map[string]bool{}
	for _, b := range p.Blocks() {
		found := ""
		for beginning := range proofs {
			if strings.HasPrefix(b.Text, beginning) && len(beginning) > len(found) {
				found = beginning
			}
		}
		if found == "" {
			first, _, _ := strings.Cut(b.Text, "\n")
			p.t.Fatalf("%s has a block that begins with %q: say what proves it", p.name, first)
		}
		used[found] = true
		begins = append(begins, found)
	}
	for beginning := range proofs {
		if !used[beginning] {
			p.t.Fatalf("%s has no block that begins with %q", p.name, beginning)
		}
	}
	return begins
}

// By is the proof of a block that another test reads by itself, such as one that needs more than
// this block. It fails if no file of tests in the folder has a function of that name.
func By(folder, test string) Proof {
	return func(t *testing.T, _ string) { has(t, folder, test) }
}

func has(t testing.TB, folder, test string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatalf("%v", err)
	}
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("%v", err)
		}
		if strings.Contains(string(code), "func "+test+"(") {
			return
		}
	}
	t.Fatalf("%s has no test %s", folder, test)
}
