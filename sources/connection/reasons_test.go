package connection

import (
	"os"
	"strings"
	"testing"
)

// TestReasonsAreDocumented fails when a reason that /clusters may show has no row
// in docs/troubleshooting.md.
func TestReasonsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range []string{
		reasonDialing, reasonUnreadable, reasonSuspect, reasonSilent, reasonCredentials, reasonUnusable,
		reasonPluginHangs, reasonPluginFails, reasonPaused, reasonReplaced, reasonUnsure, reasonRemoved,
	} {
		if !strings.Contains(string(page), "\n| `"+reason+"` |") {
			t.Errorf("docs/troubleshooting.md has no row for the reason %q", reason)
		}
	}
}
