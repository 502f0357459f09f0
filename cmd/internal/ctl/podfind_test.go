package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// hangingPlugin is how an API server is asked with a plugin for credentials that says nothing
// until the test ends.
func hangingPlugin(t *testing.T) *rest.Config {
	t.Helper()
	dir := t.TempDir()
	fifo, command := filepath.Join(dir, "fifo"), filepath.Join(dir, "hanging-plugin")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	held, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = os.Remove(fifo) // one that begins only now finds none
		_ = held.Close()    // one that reads it comes to the end
	})
	if err := os.WriteFile(command, []byte("#!/bin/sh\nread line < '"+fifo+"'\n"), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	return &rest.Config{Host: "http://127.0.0.1:1", ExecProvider: &clientcmdapi.ExecConfig{
		Command: command, APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
	}}
}

// TestAHangingPluginHoldsNothing: whoever asks is told which plugin it is, whether or not
// there is a deadline, and whatever is asked first.
func TestAHangingPluginHoldsNothing(t *testing.T) {
	over, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	for name, test := range map[string]struct {
		ctx  context.Context //nolint:containedctx // of a case
		h    hubFlags
		want string
	}{
		"find":                {t.Context(), hubFlags{within: 50 * time.Millisecond}, "after 50ms"},
		"a Pod that is named": {t.Context(), hubFlags{within: 50 * time.Millisecond, pod: "fairlead-0"}, "after 50ms"},
		"the end of a ctx":    {over, hubFlags{}, "enough"},
	} {
		t.Run(name, func(t *testing.T) {
			config, done := hangingPlugin(t), make(chan error, 1)
			go func() {
				test.h.namespace, test.h.lease, test.h.port = "fairlead", defaultLease, defaultPort
				at, err := test.h.openBy(test.ctx, config)
				if err == nil { // a stream has no deadline of its own
					var body io.ReadCloser
					err = request{method: http.MethodGet, path: "/tail", as: []int{http.StatusOK}, stream: &body}.send(test.ctx, at)
				}
				done <- err
			}()
			select {
			case err := <-done:
				if err == nil || !strings.Contains(err.Error(), "hanging-plugin") || !strings.Contains(err.Error(), test.want) {
					t.Error(err)
				}
			case <-time.After(time.Minute):
				t.Error("it hangs, too")
			}
		})
	}
}

func TestThePodOfAHost(t *testing.T) {
	long := strings.Repeat("a", 62)
	running := []string{"fairlead-0", long + "-7d9f-x2x4b", strings.Repeat("b", 63) + "-1", strings.Repeat("b", 63) + "-2"}
	for host, want := range map[string]string{
		"fairlead-0": "fairlead-0", "fairlead": "", "": "",
		long: running[1], strings.Repeat("a", 50): "",
		strings.Repeat("b", 63): "", // one of two
	} {
		if got := podOf(running, host); got != want {
			t.Errorf("host %q is of Pod %q, want %q", host, got, want)
		}
	}
}

// TestWhichPodsAreFairleads: those with its label or, if none has it, those with its
// container, of which the leader's label tells the one to ask.
func TestWhichPodsAreFairleads(t *testing.T) {
	const name, role = "app.kubernetes.io/name", "fairlead.dev/role"
	pod := func(podName, containerName string, labels map[string]string) corev1.Pod {
		return corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: podName, Labels: labels},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "sidecar"}, {Name: containerName}}},
			Status:     corev1.PodStatus{Phase: corev1.PodRunning},
		}
	}
	renamed := []corev1.Pod{
		pod("a-leader-of-others", "other", map[string]string{role: "leader"}),
		pod("events-0", container, map[string]string{name: "events"}),
		pod("events-1", container, map[string]string{name: "events", role: "leader"}),
		pod("events-test", "check", map[string]string{name: "events-test"}),
	}
	for what, test := range map[string]struct {
		pods []corev1.Pod
		want []string // the first one is asked
	}{
		"another label":    {renamed, []string{"events-1", "events-0"}},
		"no leader's":      {renamed[:2], []string{"events-0"}},
		"the label, first": {append(slices.Clip(renamed), pod("z", "other", map[string]string{name: "fairlead"})), []string{"z"}},
		"none":             {renamed[:1], nil},
	} {
		t.Run(what, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				selector, err := labels.Parse(r.URL.Query().Get("labelSelector"))
				if err != nil || !strings.HasSuffix(r.URL.Path, "/pods") {
					http.NotFound(w, r)
					return
				}
				list := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}}
				for _, p := range test.pods {
					if selector.Matches(labels.Set(p.Labels)) {
						list.Items = append(list.Items, p)
					}
				}
				w.Header().Set("Content-Type", "application/json")
				_ = json.NewEncoder(w).Encode(list)
			}))
			defer server.Close()
			h := hubFlags{namespace: "platform", lease: defaultLease, port: defaultPort}
			at, err := h.openBy(t.Context(), &rest.Config{Host: server.URL})
			if test.want == nil {
				if err == nil || !strings.Contains(err.Error(), "in namespace platform") || !strings.Contains(err.Error(), "--pod") {
					t.Errorf("there is none, and it says %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if at.pod != test.want[0] {
				t.Errorf("it asks %s, not %s", at.pod, test.want[0])
			}
			running, err := at.pods.running(t.Context())
			if slices.Sort(test.want); err != nil || !slices.Equal(running, test.want) {
				t.Errorf("of Fairlead are %v, not %v: %v", running, test.want, err)
			}
		})
	}
}
