package app

import (
	"io"
	"path/filepath"
	"strings"
	"testing"
)

const oneContext = `{"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "it", "cluster": {"server": "https://127.0.0.1:1"}}],
	"users": [{"name": "me", "user": {}}], "contexts": [{"name": "edge", "context": {"cluster": "it", "user": "me"}}]}`

// TestRefusedAtStart runs the command as a user does: each of these must end
// at once, and the error must say what to look at.
func TestRefusedAtStart(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.yaml")
	writeFile(t, a, oneContext)
	writeFile(t, b, oneContext)
	for name, tc := range map[string]struct {
		args []string
		want []string
	}{
		"nothing to watch": {
			[]string{"--clusters=kubeconfig:" + a}, []string{"--watch"},
		},
		"one context in two files": {
			[]string{"--clusters=kubeconfig:" + a, "--clusters=kubeconfig:" + b, "--watch=pods"}, []string{"edge", a, b},
		},
		"a sink that cannot be written": {
			[]string{"--clusters=kubeconfig:" + a, "--watch=pods", "--sink=file:" + filepath.Join(dir, "no", "such", "folder")},
			[]string{"--sink", filepath.Join(dir, "no", "such", "folder")},
		},
		"a sink that is a folder": {
			[]string{"--clusters=kubeconfig:" + a, "--watch=pods", "--sink=file:" + dir}, []string{"--sink", dir},
		},
		"one resource watched twice": {
			[]string{"--clusters=kubeconfig:" + a, "--watch=pods,pods?namespace=x"}, []string{"--watch", "pods", "pods?namespace=x"},
		},
		"an address in use": {
			[]string{"--clusters=kubeconfig:" + a, "--watch=pods", "--health-probe-bind-address=256.0.0.1:1"}, []string{"--health-probe-bind-address", "256.0.0.1:1"},
		},
		"a ledger in no folder": {
			[]string{"--clusters=kubeconfig:" + a, "--watch=pods", "--ledger=" + filepath.Join(dir, "no", "ledger")}, []string{"--ledger", filepath.Join(dir, "no")},
		},
		"a ledger that is something else": {
			[]string{"--clusters=kubeconfig:" + a, "--watch=pods", "--ledger=" + a}, []string{"--ledger", a, "damaged"},
		},
		"an argument too many": {
			[]string{"--watch=pods", "edge"}, []string{"edge"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := NewCommand(Options{})
			cmd.SetArgs(append([]string{"run", "--metrics-bind-address=0", "--ledger=" + filepath.Join(t.TempDir(), "ledger")}, tc.args...))
			cmd.SetOut(io.Discard)
			cmd.SetErr(io.Discard)
			err := cmd.ExecuteContext(t.Context())
			if err == nil {
				t.Fatal("it was started")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not name %q: %v", want, err)
				}
			}
		})
	}
}
