package fairleadtest_test

import (
	"bufio"
	"context"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/fairleadtest"
)

// orphanEnv makes TestServersDieWithTheirProgram the program that dies.
const orphanEnv = "FAIRLEADTEST_ORPHAN"

func TestServersDieWithTheirProgram(t *testing.T) {
	if os.Getenv(orphanEnv) != "" {
		env, err := fairleadtest.New(t.Context(), fairleadtest.Spec{Name: "orphan"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stdout.WriteString("at " + env.Clusters[0].URL() + "\n"); err != nil {
			t.Fatal(err)
		}
		select {} // Until killed.
	}
	fairleadtest.Require(t)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	program := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestServersDieWithTheirProgram$", "-test.v")
	files := t.TempDir() // Nobody is left to remove them but us.
	program.Env = append(os.Environ(), orphanEnv+"=1", "TMPDIR="+files)
	output, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	var at string
	lines := bufio.NewScanner(output)
	for at == "" && lines.Scan() {
		at, _ = strings.CutPrefix(lines.Text(), "at ")
		if at == lines.Text() {
			at = ""
		}
	}
	if at == "" {
		t.Fatalf("the program started no cluster: %v", program.Wait())
	}
	if err := program.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = program.Wait() // Killed.

	server, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	waitUntilRefused(ctx, t, "tcp", server.Host)
	sockets, err := filepath.Glob(filepath.Join(files, "*", "*", "e"))
	if err != nil || len(sockets) != 1 {
		t.Fatalf("the sockets of etcd are %v, %v, want one", sockets, err)
	}
	waitUntilRefused(ctx, t, "unix", sockets[0])
}

// waitUntilRefused returns when nobody listens at an address any more.
func waitUntilRefused(ctx context.Context, t *testing.T, network, address string) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		connection, err := net.Dial(network, address)
		if err != nil {
			return
		}
		if err := connection.Close(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("the server at %s has outlived its program", address)
		}
	}
}
