package stream

import (
	"os"
	"strings"
	"testing"
)

// TestReasonsAreDocumented fails when a reason of a stream has no row in
// docs/troubleshooting.md.
func TestReasonsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range reasonNames {
		if !strings.Contains(string(page), "\n| `"+reason+"` |") {
			t.Errorf("docs/troubleshooting.md has no row for the reason %q", reason)
		}
	}
}
