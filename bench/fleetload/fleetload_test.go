package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead-dev/fairlead/internal/leaks"
)

// crashEnv lets the members' process end by itself once it has told how it goes.
const crashEnv = "FAIRLEAD_FLEETLOAD_CRASH"

// TestMain is the members' process too, as main is.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		var out io.Writer = os.Stdout
		if os.Getenv(crashEnv) != "" {
			out = io.MultiWriter(out, &watched{seen: func(text string) {
				if strings.Contains(text, "members:") {
					os.Exit(3)
				}
			}})
		}
		if err := start(context.Background(), os.Args[1:], out); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(leaks.Patient(m))
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

// There is nothing to follow once the members have ended.
func TestMembersCrash(t *testing.T) {
	t.Setenv(crashEnv, "1")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	err := start(ctx, []string{"--run", "--clusters", "2", "--objects", "5", "--interval", "50ms"}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || ctx.Err() != nil {
		t.Errorf("%v, %v; want the exit of the members' process, before the time is over", err, ctx.Err())
	}
}

// Who starts it from a script can tell a wrong command line from a run that failed.
func TestExitCodes(t *testing.T) {
	for args, want := range map[string]int{"--clusters 0": 2, "--no-such-flag": 2, "argument": 2, "--address 256.0.0.1:1 --duration 1ms": 1} {
		err := start(t.Context(), append(strings.Fields(args), "--kubeconfig", filepath.Join(t.TempDir(), "k")), io.Discard)
		if err == nil || exitCode(err) != want {
			t.Errorf("%s: %v, exit code %d, want %d", args, err, exitCode(err), want)
		}
	}
}

// parse returns what fleetload would begin with, nil if it would not.
func parse(args string) (began *settings, help string, err error) {
	cmd := newCommand(func(_ context.Context, s settings) error {
		began = &s
		return nil
	})
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs(strings.Fields(args))
	err = cmd.Execute()
	return began, out.String(), err
}

func TestParse(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"--clusters 0", "--clusters 0: must be at least 1"}, {"--objects -1", "--objects -1: must be at least 0"},
		{"--size 699", "--size 699: must be at least 700"}, {"--window 0", "--window 0: must be at least 1"},
		{"--churn -1", "--churn -1: must be a number from 0"}, {"--churn NaN", "--churn NaN"}, {"--skew -1", "--skew -1: must be"}, {"--skew +Inf", "--skew +Inf"},
		{"--replaced 2", "--replaced 2: must be a share from 0 to 1"}, {"--duration -1s", "--duration -1s"}, {"--interval 0", "--interval 0s: must be more than 0"},
		{"--cluster-qps +Inf", "--cluster-qps +Inf: must be a number"}, {"--cluster-qps 1e300", "to 1e9"}, {"--workers 0", "--workers 0: must be at least 1"},
		{"--workers 0 --clusters -2", "--clusters -2: must be at least 1\n--workers 0"},
		{"--nonsense", "unknown flag: --nonsense; --help"}, {"--clusters x", `"x" for "--clusters" flag`}, {"more", `"more"`},
	} {
		if began, help, err := parse(test.args); began != nil || err == nil || !strings.Contains(err.Error(), test.want) || help != "" {
			t.Errorf("%s: %v, want %s; help of %d bytes, want none", test.args, err, test.want, len(help))
		}
	}
	if began, help, err := parse("--help"); began != nil || err != nil || !strings.Contains(help, "--cluster-qps") {
		t.Errorf("--help: %v\n%s", err, help)
	}
	s, _, err := parse("--resources configmaps,secrets --skew 1.5")
	if err != nil || s == nil || len(s.shape.Resources) != 2 || s.churn.Skew != 1.5 {
		t.Errorf("%+v, %v", s, err)
	}
}
