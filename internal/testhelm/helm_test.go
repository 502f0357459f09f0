package testhelm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a user has set for Helm changes nothing, and errors hold what Helm says.
func TestRun(t *testing.T) {
	helm := Require(t)
	mine := t.TempDir()
	t.Setenv("HELM_DATA_HOME", mine)
	t.Setenv("HELM_NAMESPACE", "mine")
	text, err := Run(t.Context(), helm, "env")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), mine) || strings.Contains(string(text), `HELM_NAMESPACE="mine"`) {
		t.Errorf("a user's settings are used:\n%s", text)
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "fairlead-helm-*")); err != nil || len(left) > 0 && strings.Contains(string(text), left[0]) {
		t.Errorf("a folder stays: %v, %v", left, err)
	}
	if _, err := Run(t.Context(), helm, "template", "a", filepath.Join(mine, "none")); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("a chart that there is not: %v", err)
	}
}
