package testpages

import (
	"os"
	"path/filepath"
	"strings"
)

// Tested checks that a table has each block of the page, by what the block begins with, and
// names the test that does what the block shows. Without a name none does. The tests are in the
// folders: a test that is gone, and a block that is new, end the test that calls this.
func (p *Page) Tested(tests map[string]string, folders ...string) {
	p.t.Helper()
	var code strings.Builder
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil || len(files) == 0 {
			p.t.Fatalf("%s has no tests: %v", folder, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				p.t.Fatalf("%v", err)
			}
			code.Write(text)
		}
	}
	blocks := map[string]int{}
	for _, b := range p.Blocks() {
		found := ""
		for beginning := range tests {
			if strings.HasPrefix(b.Text, beginning) && len(beginning) > len(found) {
				found = beginning
			}
		}
		if found == "" {
			first, _, _ := strings.Cut(b.Text, "\n")
			p.t.Fatalf("%s has a block that begins with %q: say which test does what it shows", p.name, first)
		}
		blocks[found]++
	}
	for beginning, test := range tests {
		if blocks[beginning] == 0 {
			p.t.Fatalf("%s has no block that begins with %q", p.name, beginning)
		}
		if test != "" && !strings.Contains(code.String(), "func "+test+"(") {
			p.t.Fatalf("%s: there is no test %s of what begins with %q", p.name, test, beginning)
		}
	}
}
