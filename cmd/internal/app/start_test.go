package app

import (
	"context"
	"io"
	"net"
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
	var config net.ListenConfig
	l := must(config.Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	t.Cleanup(func() { _ = l.Close() })
	taken := l.Addr().String()
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
		"a health address in use": {
			[]string{"--clusters=kubeconfig:" + a, "--watch=pods", "--health-probe-bind-address=" + taken}, []string{"--health-probe-bind-address", taken},
		},
		"a metrics address in use": {
			[]string{"--clusters=kubeconfig:" + a, "--watch=pods", "--metrics-bind-address=" + taken}, []string{"--metrics-bind-address", taken},
		},
		"a sink and a ledger": {
			[]string{"--clusters=kubeconfig:" + a, "--watch=pods", "--sink=file:" + dir, "--ledger=" + a}, []string{"--sink", dir, "--ledger", a},
		},
		"numbers that are none": {
			[]string{"--clusters=kubeconfig:" + a, "--watch=pods", "--cluster-qps=NaN", "--api-qps=Inf"}, []string{"--cluster-qps", "--api-qps"},
		},
		"a ledger in no folder": {
			[]string{"--clusters=kubeconfig:" + a, "--watch=pods", "--ledger=" + filepath.Join(dir, "no", "ledger")}, []string{"--ledger", filepath.Join(dir, "no")},
		},
		"a ledger that is something else": {
			[]string{"--clusters=kubeconfig:" + a, "--watch=pods", "--ledger=" + a}, []string{"--ledger", a, "damaged"},
		},
		"dead letters in no folder": {
			[]string{"--clusters=kubeconfig:" + a, "--watch=pods", "--dead-letter=" + filepath.Join(dir, "no", "dead")}, []string{"--dead-letter", filepath.Join(dir, "no", "dead")},
		},
		"dead letters in the file of a sink": {
			[]string{"--clusters=kubeconfig:" + a, "--watch=pods", "--sink=file:" + filepath.Join(dir, "one"), "--dead-letter=" + filepath.Join(dir, "one")}, []string{"--sink", filepath.Join(dir, "one"), "this program writes to it already"},
		},
		"an admin address that is none": {
			[]string{"--clusters=kubeconfig:" + a, "--watch=pods", "--admin-bind-address=256.0.0.1:1"}, []string{"--admin-bind-address", "256.0.0.1:1"},
		},
		"an argument too many": {
			[]string{"--watch=pods", "edge"}, []string{"edge"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := NewCommand(Options{})
			cmd.SetArgs(append([]string{"run", "--metrics-bind-address=0", "--admin-bind-address=0", "--ledger=" + filepath.Join(t.TempDir(), "ledger")}, tc.args...))
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

// Whoever is asked to stop while it starts ends as if it had run: that is no fault.
func TestAskedToStopAtStart(t *testing.T) {
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "a.yaml")
	writeFile(t, kubeconfig, oneContext)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	file := filepath.Join(dir, "ledger")
	for _, ledger := range []string{"memory:", file, file} { // at last one that holds something
		cmd := NewCommand(Options{})
		cmd.SetArgs([]string{"run", "--metrics-bind-address=0", "--admin-bind-address=0", "--health-probe-bind-address=0",
			"--clusters=kubeconfig:" + kubeconfig, "--watch=pods", "--sink=file:" + filepath.Join(dir, "sink"), "--ledger=" + ledger})
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		if err := cmd.ExecuteContext(ctx); err != nil {
			t.Errorf("with --ledger=%s: %v", ledger, err)
		}
	}
}
