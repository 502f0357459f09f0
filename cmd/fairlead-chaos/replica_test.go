package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// A process that ends because something is wrong with it is not started again, as one is
// that has lost the lock.
func TestReplicaThatFails(t *testing.T) {
	r := &replica{log: filepath.Join(t.TempDir(), "log"), args: []string{asFairlead, "run", "--watch", "?"}, client: http.DefaultClient}
	if err := r.keep(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("%v, want the exit code", err)
	}
}
