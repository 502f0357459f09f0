package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/client-go/tools/clientcmd"
)

// TestMain is the members' process too, as main is.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		if err := start(context.Background(), os.Args[1:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// watched is an output that can be waited for.
type watched struct {
	mu   sync.Mutex
	text bytes.Buffer
	seen func(text string)
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(b)
	w.seen(w.text.String())
	return len(b), nil
}

// runUntil runs fleetload until it has said something.
func runUntil(t *testing.T, want string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out := &watched{seen: func(text string) {
		if strings.Contains(text, want) {
			cancel()
		}
	}}
	if err := start(ctx, args, out); err != nil {
		t.Fatalf("%v\n%s", err, out.text.String())
	}
	text := out.text.String()
	if !strings.Contains(text, want) {
		t.Fatalf("it did not say %q within two minutes:\n%s", want, text)
	}
	return text
}

func TestServe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := runUntil(t, "members: 0 watches open", "--clusters", "3", "--objects", "5", "--kubeconfig", path, "--interval", "10ms")
	if command := "fairlead run --clusters kubeconfig:" + path + " --watch configmaps\n"; !strings.Contains(text, command) {
		t.Errorf("no %q in:\n%s", command, text)
	}
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(config.Contexts) != 3 || len(config.Clusters["cluster-0002"].CertificateAuthorityData) == 0 {
		t.Errorf("contexts %v", config.Contexts)
	}
}

// Members in a process of their own are followed, all objects of them are
// delivered, and nothing is left behind.
func TestRun(t *testing.T) {
	text := runUntil(t, "all streams are live",
		"--run", "--clusters", "4", "--objects", "50", "--resources", "configmaps,deployments.apps", "--churn", "200", "--interval", "100ms")
	_, last, _ := strings.Cut(text, "all streams are live")
	var delivered int
	for line := range strings.Lines(last) {
		_, _ = fmt.Sscanf(line, "fairlead: %d changes delivered", &delivered)
	}
	if delivered < 4*2*50*9/10 { // some may have been deleted before
		t.Errorf("%d changes delivered, want those of 400 objects:\n%s", delivered, text)
	}
}

func TestParse(t *testing.T) {
	for _, args := range [][]string{
		{"--clusters", "0"}, {"--objects", "-1"}, {"--size", "0"}, {"--interval", "0"}, {"--churn", "-1"}, {"--skew", "-1"}, {"--replaced", "2"},
		{"--workers", "0"}, {"--window", "0"}, {"--nonsense"}, {"more"},
	} {
		if _, err := parse(args, &bytes.Buffer{}); err == nil {
			t.Errorf("%v was accepted", args)
		}
	}
	s, err := parse([]string{"--resources", "configmaps,secrets", "--skew", "1.5"}, &bytes.Buffer{})
	if err != nil || len(s.shape.Resources) != 2 || s.churn.Skew != 1.5 {
		t.Errorf("%+v, %v", s, err)
	}
}
