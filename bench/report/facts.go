package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/bench/internal/report"
	"github.com/fairlead-dev/fairlead/internal/controlplane"
)

// peers are the modules whose versions matter to the figures.
var peers = []string{"k8s.io/client-go", "sigs.k8s.io/controller-runtime"}

// facts tells of the machine, the versions and the commit. What cannot be found
// out is told as unknown.
func facts(ctx context.Context, runs *report.Runs, command string) []report.Fact {
	versions := []string{runtime.Version()}
	for _, peer := range peers {
		versions = append(versions, peer+" "+output(ctx, "go", "list", "-m", "-f", "{{.Version}}", peer))
	}
	servers := controlplane.Pinned()
	versions = append(versions, "k8s.io/kubernetes v"+servers.Kubernetes, "go.etcd.io/etcd/server/v3 v"+servers.Etcd)
	commit := output(ctx, "git", "rev-parse", "--short=12", "HEAD")
	// The report and its data change with every run.
	if status, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--", ".", ":!docs").Output(); err == nil && len(bytes.TrimSpace(status)) > 0 {
		commit += ", with changes that are not committed"
	}
	return []report.Fact{
		{Name: "Machine", Value: fmt.Sprintf("%s, %d cores, %s of memory", cmp.Or(strings.TrimSpace(runs.Env["cpu"]), "unknown CPU"), runtime.NumCPU(), memory())},
		{Name: "System", Value: fmt.Sprintf("%s, %s/%s, kernel %s", system(), runtime.GOOS, runtime.GOARCH, output(ctx, "uname", "-r"))},
		{Name: "Versions", Value: strings.Join(versions, ", ")},
		{Name: "Commit", Value: commit},
		{Name: "Date", Value: time.Now().UTC().Format("2006-01-02 15:04 MST")},
		{Name: "Command", Value: "`" + command + "`"},
	}
}

// output returns the first line that a command prints.
func output(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	line, _, _ := strings.Cut(string(out), "\n")
	if err != nil || line == "" {
		return "unknown"
	}
	return line
}

// system returns what the operating system calls itself.
func system() string {
	text, _ := os.ReadFile("/etc/os-release")
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
			return strings.Trim(strings.TrimSpace(name), `"`)
		}
	}
	return runtime.GOOS
}

func memory() string {
	text, _ := os.ReadFile("/proc/meminfo")
	var kib int
	if _, err := fmt.Sscanf(string(text), "MemTotal: %d kB", &kib); err != nil {
		return "an unknown size"
	}
	return fmt.Sprintf("%.1f GiB", float64(kib)/(1<<20))
}
