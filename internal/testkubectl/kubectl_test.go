package testkubectl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a user has set for kubectl changes nothing, plugins are those of the folder, and errors
// hold what kubectl says.
func TestRun(t *testing.T) {
	plugins := t.TempDir()
	t.Setenv("KUBECONFIG", filepath.Join(plugins, "mine"))
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	c := New(t, kubeconfig, plugins)
	if out, err := c.Run(t.Context(), "config", "set-context", "here"); err != nil || !strings.Contains(out, `"here" created`) {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := os.Stat(kubeconfig); err != nil {
		t.Error(err)
	}
	if _, err := c.Run(t.Context(), "hello"); err == nil || !strings.Contains(err.Error(), `unknown command "hello"`) {
		t.Errorf("a plugin that there is not: %v", err)
	}
	if err := os.WriteFile(filepath.Join(plugins, "kubectl-hello"), []byte("#!/bin/sh\necho hello \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := c.Shell(t.Context(), "kubectl hello you | tr o 0"); err != nil || out != "hell0 y0u\n" {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := c.Run(t.Context(), "hello", "you"); err != nil || out != "hello you\n" {
		t.Errorf("%q, %v", out, err)
	}
}
